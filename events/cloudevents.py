"""CloudEvents 1.0 in its Kafka binding: binary mode out, binary and structured mode in.

Reading never raises: what comes out is an `Envelope` with everything that could be read, and one fault for everything
that could not.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import cast

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from events.catalogue import schema_of, type_of
from events.faults import MAX_ECHOED_CHARACTERS, Faults
from events.strict_json import MAX_DEPTH, parse
from events.values import Time

JSON = b"application/json"
STRUCTURED = "application/cloudevents+json"
LONGEST_ID = 128
LONGEST_ATTRIBUTE = MAX_ECHOED_CHARACTERS
"""Characters of source, type, subject and correlationid."""

_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_ID = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{LONGEST_ID}}}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TIME = TypeAdapter[datetime](Time)

RawHeaders = Iterable[tuple[str, bytes | None]]


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


def headers(  # noqa: PLR0913 - one parameter per attribute
    *,
    id: str,  # noqa: A002 - the attribute's name
    source: str,
    name: str,
    subject: str | None,
    time: datetime,
    correlation: str,
    causation: str | None,
    traceparent: str | None = None,
    version: int | None = None,
) -> list[tuple[str, bytes]]:
    """Return the headers of a message in binary mode.

    name: the stored name, such as ``InvoiceIssued.v1``. subject: the invoice number. version: the invoice's, on events.
    """
    written = [
        *_constant(source, name),
        ("ce_id", id.encode()),
        ("ce_time", _rfc3339(time, time.tzinfo)),
        ("ce_correlationid", correlation.encode()),
    ]
    if subject is not None:
        written.append(("ce_subject", subject.encode()))
    if causation is not None:
        written.append(("ce_causationid", causation.encode()))
    if traceparent is not None:
        written.append(("traceparent", traceparent.encode()))
    if version is not None:
        written.append(("ce_invoiceversion", b"%d" % version))
    return written


@lru_cache(maxsize=1024)
def _rfc3339(time: datetime, zone: tzinfo | None) -> bytes:
    """Return a time as it is written. The messages of one batch have few times between them.

    zone: that of the time; the same moment in another zone is equal to it, and written otherwise.
    """
    del zone
    return time.isoformat().encode()


@lru_cache(maxsize=256)
def _constant(source: str, name: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", type_of(name).encode()),
        ("ce_dataschema", schema_of(name).encode()),
        ("content-type", JSON),
    )


def read(raw_headers: RawHeaders, value: bytes | None) -> Envelope:
    """Read a record in either mode. The last of several headers with one name counts, as for every Kafka client.

    A record that says nothing in its headers, and whose value looks like a CloudEvent, is read in structured mode.
    """
    by_name = {name: header for name, header in raw_headers if header is not None}
    content_type = by_name.get("content-type")
    media_type = "" if content_type is None else _media_type(content_type.decode("utf-8", "replace"))
    is_bare = content_type is None and not any(name.startswith("ce_") for name in by_name)
    if media_type != STRUCTURED and not (is_bare and _looks_structured(value)):
        return _binary(by_name, value, media_type)
    return _structured(by_name, value)


@lru_cache(maxsize=256)
def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _looks_structured(value: bytes | None) -> bool:
    try:
        event = from_json(value or b"")
    except ValueError:
        return False
    return isinstance(event, dict) and "specversion" in event


def _binary(by_name: Mapping[str, bytes], value: bytes | None, media_type: str) -> Envelope:
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
    if media_type not in ("", "application/json"):
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
    if _media_type(str(event.get("datacontenttype", "application/json"))) != "application/json":
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
    envelope.type = text("type", _WANTED_STRING, _is_short) or _echoed(attributes.get("type"))
    envelope.subject = text("subject", _WANTED_STRING, _is_short, needed=False)
    text("time", "must be an RFC 3339 time with an offset", _is_time, needed=False)
    envelope.correlation = _correlation(envelope, attributes.get("correlationid"))
    envelope.traceparent = traceparent_of(attributes.get("traceparent"))
    return envelope


_WANTED_ID = f"must be 1 to {LONGEST_ID} characters, no control characters"
_WANTED_STRING = f"must be a string of at most {LONGEST_ATTRIBUTE} characters"
_WANTED_SOURCE = f"must be a URI reference of at most {LONGEST_ATTRIBUTE} characters"


def is_id(text: str) -> bool:
    """Return whether a text may be the id of a command."""
    return _ID.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def is_source(text: str) -> bool:
    """Return whether a text may be the source of a command."""
    return _is_short(text) and _URI_REFERENCE.fullmatch(text) is not None


def traceparent_of(value: JsonValue) -> str | None:
    """Return a W3C trace context as it is; anything else is left out, since nothing depends on it."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def _is_short(text: str) -> bool:
    return len(text) <= LONGEST_ATTRIBUTE


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
    if not _is_short(value):
        envelope.faults.add("correlationid", _WANTED_STRING)
        return None
    return value
