"""Stored events, read for ever: today's types by name, and upcasters that bring older ones up to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic_core import from_json, to_json

from events.values import Record

Event = TypeVar("Event", bound=Record)
Body = dict[str, Any]
"""An event's body as JSON values: strings for money, days and times."""


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

        Raises: KeyError for a name that is not known, pydantic's ValidationError for other bytes.
        """
        if name in self.upcasters:
            name, body = self._upcast(name, body)
        return self.types[name].model_validate_json(body)

    def _upcast(self, name: str, body: bytes) -> tuple[str, bytes]:
        value: Body = from_json(body)
        while upcaster := self.upcasters.get(name):
            name, value = upcaster.to, upcaster.change(value)
        return name, to_json(value)
