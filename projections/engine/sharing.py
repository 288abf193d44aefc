"""What several read models make of the same things in one batch is made once: new rows, and their JSON."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

from events.catalogue import json_of
from events.invoice_events import AnyInvoiceEvent
from events.values import Message

_Row = TypeVar("_Row")
_Fold = Callable[[_Row | None, AnyInvoiceEvent, int], _Row]

_made: ContextVar[dict[tuple[int, ...], tuple[Any, Any]] | None] = ContextVar("made", default=None)
"""What was made in this batch, with what it was made of, which keeps that from being another under the same id."""


@contextmanager
def sharing() -> Generator[None]:
    """Share for the length of a block, in which all events and rows stay."""
    token = _made.set({})
    try:
        yield
    finally:
        _made.reset(token)


def shared(fold: _Fold[_Row]) -> _Fold[_Row]:
    """Let all that fold the same event into the same row get the same new row, while `sharing`."""

    @wraps(fold)
    def once(row: _Row | None, event: AnyInvoiceEvent, version: int) -> _Row:
        if (made := _made.get()) is None:
            return fold(row, event, version)
        key = (id(event), id(row), version)
        if known := made.get(key):
            return known[1]
        after = fold(row, event, version)
        made[key] = (event, row), after
        return after

    return once


def text_of(row: Message) -> str:
    """Return the JSON of a row."""
    if (made := _made.get()) is None:
        return json_of(row).decode()
    if known := made.get((id(row),)):
        return known[1]
    text = json_of(row).decode()
    made[id(row),] = row, text
    return text
