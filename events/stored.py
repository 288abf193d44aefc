"""Stored events, read for ever: today's types by name, and upcasters that bring older ones up to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from events.values import Record

Event = TypeVar("Event", bound=Record)
Body = dict[str, Any]
"""An event's body as JSON values: strings for money, days and times."""


class UnknownValue(ValueError):
    """An event of a known type holds a value that is none of those this release knows: a newer release wrote it."""


@dataclass(frozen=True, slots=True)
class Upcaster:
    """How a body of an older type reads as the next one: ``change`` takes it as it was stored and returns a new one."""

    to: str
    change: Callable[[Body], Body]


@dataclass(frozen=True)
class StoredEvents(Generic[Event]):
    """Event types by stored name. What is stored is never rewritten: an older name is read through its upcasters."""

    types: Mapping[str, type[Event]]
    upcasters: Mapping[str, Upcaster] = field(default_factory=dict[str, Upcaster])

    def __post_init__(self) -> None:
        """Check that every older name leads to one of today's. Raises: ValueError."""
        for name in self.upcasters:
            if not self._leads_on(name):
                msg = f"{name} must be an older name whose upcasters lead on to one of today's types"
                raise ValueError(msg)

    def _leads_on(self, name: str) -> bool:
        older = set[str]()
        while name in self.upcasters and name not in older:
            older.add(name)
            name = self.upcasters[name].to
        return name in self.types and older.isdisjoint(self.types)

    def knows(self, name: str) -> bool:
        """Tell whether events of this name can be read."""
        return name in self.types or name in self.upcasters

    def read(self, name: str, body: bytes) -> Event:
        """Read an event's bytes; fields that are not known yet are ignored, at any depth.

        Raises: KeyError for a name that is not known, UnknownValue, pydantic's ValidationError for other bytes.
        """
        if name in self.upcasters:
            name, body = self._upcast(name, body)
        try:
            return self.types[name].model_validate_json(body)
        except ValidationError as error:
            if unknown := _unknown_values(error):
                msg = f"{name} with an unknown value of {', '.join(unknown)}"
                raise UnknownValue(msg) from error
            raise

    def _upcast(self, name: str, body: bytes) -> tuple[str, bytes]:
        value: Body = from_json(body)
        while upcaster := self.upcasters.get(name):
            name, value = upcaster.to, upcaster.change(value)
        return name, to_json(value)


def _unknown_values(error: ValidationError) -> Sequence[str]:
    """Return the fields with a text that is none of a closed set; nothing when anything else is wrong too."""
    faults = error.errors(include_url=False)
    if not all(fault["type"] == "literal_error" and isinstance(fault["input"], str) for fault in faults):
        return ()
    return [".".join(map(str, fault["loc"])) for fault in faults]
