"""Pages of a list in the order of a key. Each begins after a place in that order and says where it ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, LiteralString, TypeVar

from psycopg.sql import SQL

_Line = TypeVar("_Line")
_Place = TypeVar("_Place")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Line, _Place]):
    """Lines, and the place of the last one when there are more."""

    lines: Sequence[_Line]
    next: _Place | None


def page_of(lines: Sequence[_Line], limit: int, place: Callable[[_Line], _Place]) -> Page[_Line, _Place]:
    """Return at most ``limit`` of the lines, of which one more was asked for if there are more."""
    shown = lines[:limit]
    return Page(shown, place(shown[-1]) if len(lines) > limit else None)


def conditions(filters: Mapping[LiteralString, str], facts: Mapping[str, object]) -> list[SQL]:
    """Return the conditions whose parameter is not None. filters: the parameter's name, by condition."""
    return [SQL(condition) for condition, parameter in filters.items() if facts[parameter] is not None]
