"""Stored events, read for ever: today's types by name, and upcasters that bring older ones up to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from events.values import Message

Event = TypeVar("Event", bound=Message)
Stored = TypeVar("Stored", bound=Message)
Body = dict[str, Any]
"""An event's body as JSON values: strings for money, days and times."""


class WrittenByNewerRelease(ValueError):
    """What is stored has a name, or holds a value, that this release does not know.

    The message names it, as in ``InvoiceIssued.v1 with an unknown value of kind``.
    """


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

    def read(self, name: str, body: bytes) -> Event:
        """Read an event's bytes; fields that are not known yet are ignored, at any depth.

        Raises: WrittenByNewerRelease, pydantic's ValidationError for other bytes.
        """
        if name in self.upcasters:
            name, body = self._upcast(name, body)
        return read_stored(self.types, name, body)

    def _upcast(self, name: str, body: bytes) -> tuple[str, bytes]:
        value: Body = from_json(body)
        while upcaster := self.upcasters.get(name):
            name, value = upcaster.to, upcaster.change(value)
        return name, to_json(value)


def read_stored(types: Mapping[str, type[Stored]], name: str, body: bytes) -> Stored:
    """Read bytes as today's type of that name; fields that are not known yet are ignored, at any depth.

    Raises: WrittenByNewerRelease, pydantic's ValidationError for other bytes.
    """
    if name not in types:
        raise WrittenByNewerRelease(name)
    try:
        return types[name].model_validate_json(body)
    except ValidationError as error:
        if unknown := _unknown_values(error):
            msg = f"{name} with an unknown value of {', '.join(unknown)}"
            raise WrittenByNewerRelease(msg) from error
        raise


def _unknown_values(error: ValidationError) -> Sequence[str]:
    """Return the fields with a text that is none of a closed set; nothing when anything else is wrong too."""
    faults = error.errors(include_url=False)
    if not all(fault["type"] == "literal_error" and isinstance(fault["input"], str) for fault in faults):
        return ()
    return [".".join(map(str, fault["loc"])) for fault in faults]
