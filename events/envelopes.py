"""What a publisher's record says in either mode of CloudEvents: its attributes, its body, and every fault of them.

Reading never raises: what comes out is an `Envelope` with everything that could be read, and one fault for everything
that could not.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from events.cloudevents import (
    LONGEST_ATTRIBUTE,
    LONGEST_ID,
    STRUCTURED,
    RawHeaders,
    is_id,
    is_short,
    is_source,
    media_type,
    traceparent_of,
)
from events.faults import MAX_ECHOED_CHARACTERS, Faults
from events.strict_json import MAX_DEPTH, parse
from events.values import Time

_TIME = TypeAdapter[datetime](Time)


@dataclass(slots=True)
class Envelope:
    """What could be read of a record's CloudEvents attributes, its body, and what could not be.

    data is the JSON text of the body; it is None where there is none to read. A value that is missing or unreadable
    is None, and has its fault. A type that is too long has its fault too, and its beginning is here.
    """

    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    correlation: str | None = None
    traceparent: str | None = None
    data: bytes | None = None
    faults: Faults = field(default_factory=Faults)


def read(raw_headers: RawHeaders, value: bytes | None) -> Envelope:
    """Read a record in either mode. The last of several headers with one name counts, as for every Kafka client.

    A record that says nothing in its headers, and whose value looks like a CloudEvent, is read in structured mode.
    """
    by_name = {name: header for name, header in raw_headers if header is not None}
    content_type = by_name.get("content-type")
    written_in = "" if content_type is None else media_type(content_type.decode("utf-8", "replace"))
    is_bare = content_type is None and not any(name.startswith("ce_") for name in by_name)
    if written_in != STRUCTURED and not (is_bare and _looks_structured(value)):
        return _binary(by_name, value, written_in)
    return _structured(by_name, value)


def _looks_structured(value: bytes | None) -> bool:
    try:
        event = from_json(value or b"")
    except ValueError:
        return False
    return isinstance(event, dict) and "specversion" in event


def _binary(by_name: Mapping[str, bytes], value: bytes | None, written_in: str) -> Envelope:
    envelope = Envelope(data=value)
    attributes: dict[str, JsonValue] = {}
    for header, attribute in _ATTRIBUTES.items():
        if (raw := by_name.get(header)) is None:
            continue
        try:
            attributes[attribute] = raw.decode()
        except UnicodeDecodeError:
            if attribute in _CHECKED:
                envelope.faults.add(attribute, f"the header {header} is not UTF-8")
    if written_in not in ("", "application/json"):
        envelope.faults.add("datacontenttype", "must be application/json")
    if value is None:
        envelope.faults.add("data", "the record has no value")
    return _filled(envelope, attributes)


def _structured(by_name: Mapping[str, bytes], value: bytes | None) -> Envelope:
    envelope = Envelope()
    if value is None:
        envelope.faults.add("data", "the record has no value")
        return envelope
    try:
        read_as = cast("JsonValue", from_json(value, allow_inf_nan=False))
    except ValueError as error:
        envelope.faults.add("data", f"is not JSON: {error}")
        return envelope
    if not isinstance(read_as, dict):
        envelope.faults.add("data", "must be a CloudEvents object")
        return envelope
    event = {name: attribute for name, attribute in read_as.items() if attribute is not None}
    if media_type(str(event.get("datacontenttype", "application/json"))) != "application/json":
        envelope.faults.add("datacontenttype", "must be application/json")
    if "traceparent" in by_name:
        event.setdefault("traceparent", by_name["traceparent"].decode("utf-8", "replace"))
    envelope = _filled(envelope, event)
    try:
        envelope.data = _data(event)
        parse(value, MAX_DEPTH + 1)  # the data are one level down
    except ValueError as error:
        envelope.data = None
        envelope.faults.add("data", str(error))
    return envelope


def _data(event: Mapping[str, JsonValue]) -> bytes:
    """Return the JSON text of the body. Raises: ValueError, which says what is wrong."""
    match event:
        case {"data": _, "data_base64": _}:
            msg = "must stand either in data or in data_base64"
            raise ValueError(msg)
        case {"data": body}:
            return to_json(body)
        case {"data_base64": written}:
            return _from_base64(written)
        case _:
            msg = "is missing"
            raise ValueError(msg)


def _from_base64(written: JsonValue) -> bytes:
    try:
        return b64decode(cast("str", written), validate=True)
    except (ValueError, TypeError):
        msg = "must be Base64 where it stands in data_base64"
        raise ValueError(msg) from None


_CHECKED = ("specversion", "id", "source", "type", "subject", "time")
_ATTRIBUTES = {f"ce_{name}": name for name in (*_CHECKED, "correlationid")} | {"traceparent": "traceparent"}
"""The header of each attribute, and its name."""


def _filled(envelope: Envelope, attributes: Mapping[str, JsonValue]) -> Envelope:
    def text(attribute: str, wanted: str, good: Callable[[str], object], *, needed: bool = True) -> str | None:
        value = attributes.get(attribute)
        if value is None and not needed:
            return None
        if isinstance(value, str) and value and "\0" not in value and good(value):
            return value
        if not envelope.faults.concerns(attribute):
            envelope.faults.add(attribute, "is missing" if value is None else wanted)
        return None

    text("specversion", "must be 1.0", "1.0".__eq__)
    envelope.id = text("id", _WANTED_ID, is_id)
    envelope.source = text("source", _WANTED_SOURCE, is_source)
    envelope.type = text("type", _WANTED_STRING, is_short) or _echoed(attributes.get("type"))
    envelope.subject = text("subject", _WANTED_STRING, is_short, needed=False)
    text("time", "must be an RFC 3339 time with an offset", _is_time, needed=False)
    envelope.correlation = _correlation(envelope, attributes.get("correlationid"))
    envelope.traceparent = traceparent_of(attributes.get("traceparent"))
    return envelope


_WANTED_ID = f"must be 1 to {LONGEST_ID} characters, no control characters"
_WANTED_STRING = f"must be a string of at most {LONGEST_ATTRIBUTE} characters"
_WANTED_SOURCE = f"must be a URI reference of at most {LONGEST_ATTRIBUTE} characters"


def _is_time(text: str) -> bool:
    try:
        _TIME.validate_python(text)
    except ValidationError:
        return False
    return True


def _echoed(ce_type: JsonValue) -> str | None:
    """Return the beginning of an invalid type, for the reply to name it."""
    return ce_type[:MAX_ECHOED_CHARACTERS].replace("\0", "") or None if isinstance(ce_type, str) else None


def _correlation(envelope: Envelope, value: JsonValue) -> str | None:
    """Return the id, which is only passed on; one that is not text is left out, since nothing depends on it."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    if not is_short(value):
        envelope.faults.add("correlationid", _WANTED_STRING)
        return None
    return value
