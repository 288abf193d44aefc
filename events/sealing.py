"""Texts that people write and that name people, taken out of events and put back in.

With sealing on, an event on the log and on the topics has something else in the place of each text, and in its field
``sealed`` the texts themselves, which only the key of the invoice opens (`events.compact_jwe`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import JsonValue

from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    ReissueRefused,
    ReissueRequested,
    ReturnRefused,
    ReturnRequested,
    ReversalAttemptFailed,
)
from events.values import Message

SEALED_TEXT = "[sealed]"
"""What stands in the place of a text."""
SEALED_URL = "https://sealed.invalid/"
"""What stands in the place of an address. Source: RFC 2606, section 2."""
SEALED_FIELD = "sealed"
SEALED_HEADER = "dl_sealed"
"""The last of its record's headers in a dead letter whose value is sealed: what the key is called."""
SEALED_BEGINNING = b"eyJhbGciOi"
"""How everything that is sealed here begins. Nothing that is JSON does."""

Texts = Mapping[str, str]
"""Texts by where they were in an event, as JSON pointers. Source: RFC 6901."""
_Shape = dict[str, Any] | list[Any] | str
"""Where texts are: in fields by name, in each item of a list, or here; then it is what stands in its place."""
_Replace = Callable[[str, str, str], str]
"""Called with the pointer to a text, what is there, and what stands in its place."""
_Event = TypeVar("_Event", bound=Message)

_DOCUMENTS = [{"url": SEALED_URL}]
_SHAPES: Mapping[type[Message], dict[str, Any]] = {
    InvoiceIssued: {
        "seller": {"name": SEALED_TEXT},
        "buyer": {"name": SEALED_TEXT},
        "charges": [{"description": SEALED_TEXT}],
        "remarks": SEALED_TEXT,
        "documents": _DOCUMENTS,
    },
    ReturnRequested: {"remarks": SEALED_TEXT, "requested_by": SEALED_TEXT},
    ReversalAttemptFailed: {"detail": SEALED_TEXT},
    CreditNoteIssued: {"documents": _DOCUMENTS},
    ReturnRefused: {"message": SEALED_TEXT, "details": {"detail": SEALED_TEXT}},
    ReissueRequested: {"buyer": {"name": SEALED_TEXT}, "remarks": SEALED_TEXT, "requested_by": SEALED_TEXT},
    ReissueRefused: {"reason": SEALED_TEXT},
}


def take_out(event: AnyInvoiceEvent) -> tuple[AnyInvoiceEvent, Texts]:
    """Return an event without its texts, and the texts."""
    texts: dict[str, str] = {}

    def take(at: str, text: str, instead: str) -> str:
        texts[at] = text
        return instead

    return _replaced(event, take), texts


def put_back(event: AnyInvoiceEvent, texts: Texts) -> AnyInvoiceEvent:
    """Return an event with its texts."""
    return _replaced(event, lambda at, instead, _: texts.get(at, instead))


def put_back_into(value: JsonValue, opened: Callable[[str], Texts | None]) -> JsonValue:
    """Return JSON with the texts of every object in it that has sealed ones, and without the field that held them.

    opened: opens one of these fields; None where its key is destroyed. Such an object stays as it is, and a text that
    has no place in an object is left out: a read model keeps parts of an event.
    """
    match value:
        case dict():
            inner = {name: put_back_into(item, opened) for name, item in value.items()}
            return _with_texts(inner, opened) if SEALED_FIELD in inner else inner
        case list():
            return [put_back_into(item, opened) for item in value]
        case _:
            return value


def sealed_fields(value: JsonValue) -> list[str]:
    """Return what is in the fields ``sealed`` of JSON, at any depth."""
    match value:
        case dict():
            inner = [one for name, item in value.items() if name != SEALED_FIELD for one in sealed_fields(item)]
            return [*_several(value.get(SEALED_FIELD)), *inner]
        case list():
            return [one for item in value for one in sealed_fields(item)]
        case _:
            return []


def _with_texts(value: dict[str, JsonValue], opened: Callable[[str], Texts | None]) -> JsonValue:
    found = [opened(one) for one in _several(value[SEALED_FIELD])]
    if None in found:
        return value
    del value[SEALED_FIELD]
    for texts in found:
        for pointer, text in (texts or {}).items():
            _set(value, pointer.split("/")[1:], text)
    return value


def _several(sealed: JsonValue) -> list[str]:
    """Return what a field ``sealed`` holds: one text of an event, or several."""
    every = sealed if isinstance(sealed, list) else [sealed]
    return [one for one in every if isinstance(one, str)]


def _set(value: JsonValue, steps: Sequence[str], text: str) -> None:
    *before, last = steps
    place: Any = value
    for step in before:
        place = place[int(step)] if isinstance(place, list) else place.get(step)
        if place is None:
            return
    if last in place:
        place[last] = text


def _replaced(event: _Event, replace: _Replace) -> _Event:
    shape = _SHAPES.get(type(event))
    if shape is None or (isinstance(event, ReturnRefused) and "detail" not in event.details):
        return event
    return cast("_Event", _within(event, shape, "", replace))


def _within(value: Any, shape: _Shape, at: str, replace: _Replace) -> Any:  # noqa: ANN401 - any part of an event
    if isinstance(shape, str):
        return replace(at, value, shape)
    if isinstance(shape, list):
        (inner,) = shape
        return tuple(_within(item, inner, f"{at}/{index}", replace) for index, item in enumerate(value))
    fields = value if isinstance(value, dict) else value.__dict__
    changed: dict[str, Any] = {}
    for name, inner in shape.items():
        if (found := fields.get(name)) is not None:
            changed[name] = _within(found, inner, f"{at}/{name}", replace)
    if not changed:
        return value
    return {**value, **changed} if isinstance(value, dict) else value.but(**changed)
