"""CloudEvents 1.0 in its Kafka binding: binary mode out, binary and structured mode in.

Reading never raises: what comes out is an `Envelope` with everything that could be read, and one fault for everything
that could not.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from pydantic import JsonValue
from pydantic_core import from_json

from events.catalogue import schema_of, type_of

JSON = b"application/json"
STRUCTURED = "application/cloudevents+json"
LONGEST_ID = 128

_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*")

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

RawHeaders = Iterable[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a record: the field (a CloudEvents attribute or a path into the body) and why."""

    field: str
    message: str


@dataclass(slots=True)
class Envelope:
    """What could be read of a record's CloudEvents attributes, its body, and what could not be.

    data is the JSON text of the body; it is None where there is none to read. A value that is missing or unreadable
    is None, and has its fault.
    """

    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    correlation: str | None = None
    traceparent: str | None = None
    data: bytes | None = None
    faults: list[Fault] = field(default_factory=list[Fault])


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
        ("ce_time", time.isoformat().encode()),
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
    """Read a record in either mode. The last of several headers with one name counts, as for every Kafka client."""
    by_name = dict(raw_headers)
    content_type = (by_name.get("content-type") or b"").decode("utf-8", "replace")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return _structured(by_name, value)
    return _binary(by_name, value, media_type)


def _binary(by_name: Mapping[str, bytes | None], value: bytes | None, media_type: str) -> Envelope:
    envelope = Envelope(data=value)
    attributes: dict[str, JsonValue] = {}
    for attribute in _ATTRIBUTES:
        header = attribute if attribute == "traceparent" else f"ce_{attribute}"
        raw = by_name.get(header)
        if raw is None:
            if header in by_name and attribute in _CHECKED:
                envelope.faults.append(Fault(attribute, f"the header {header} is null"))
            continue
        try:
            attributes[attribute] = raw.decode()
        except UnicodeDecodeError:
            if attribute in _CHECKED:
                envelope.faults.append(Fault(attribute, f"the header {header} is not UTF-8"))
    if media_type not in ("", "application/json"):
        envelope.faults.append(Fault("datacontenttype", "must be application/json"))
    if value is None:
        envelope.faults.append(Fault("data", "the record has no value"))
    return _filled(envelope, attributes)


def _structured(by_name: Mapping[str, bytes | None], value: bytes | None) -> Envelope:
    envelope = Envelope()
    if value is None:
        envelope.faults.append(Fault("data", "the record has no value"))
        return envelope
    try:
        event = parse(value)
        if not isinstance(event, dict):
            envelope.faults.append(Fault("data", "must be a CloudEvents object"))
            return envelope
        envelope.data = canonical(event["data"]) if "data" in event else None
    except ValueError as error:
        envelope.faults.append(Fault("data", f"is not JSON: {error}"))
        return envelope
    if str(event.get("datacontenttype", "application/json")).partition(";")[0].strip().lower() != "application/json":
        envelope.faults.append(Fault("datacontenttype", "must be application/json"))
    if envelope.data is None:
        envelope.faults.append(Fault("data", "is missing"))
    trace = by_name.get("traceparent")
    if trace is not None and "traceparent" not in event:
        event["traceparent"] = trace.decode("utf-8", "replace")
    return _filled(envelope, event)


_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "correlationid", "traceparent")
_CHECKED = frozenset({"specversion", "id", "source", "type", "subject", "time"})


def _filled(envelope: Envelope, attributes: Mapping[str, JsonValue]) -> Envelope:
    told = {fault.field for fault in envelope.faults}

    def text(attribute: str, wanted: str, *, good: re.Pattern[str] | None = None, needed: bool = True) -> str | None:
        value = attributes.get(attribute)
        if value is None and not needed:
            return None
        if isinstance(value, str) and value and "\0" not in value and (good is None or good.fullmatch(value)):
            return value
        if attribute not in told:
            envelope.faults.append(Fault(attribute, "is missing" if value is None else wanted))
        return None

    if text("specversion", "must be 1.0") not in (None, "1.0"):
        envelope.faults.append(Fault("specversion", "must be 1.0"))
    envelope.id = text("id", f"must be a string of 1 to {LONGEST_ID} characters", good=_ID)
    envelope.source = text("source", "must be a URI reference", good=_URI_REFERENCE)
    envelope.type = text("type", "must be a string")
    envelope.subject = text("subject", "must be a string", needed=False)
    text("time", "must be an RFC 3339 time", good=_TIME, needed=False)
    envelope.correlation = _passed_on(attributes.get("correlationid"))
    trace = _passed_on(attributes.get("traceparent"))
    envelope.traceparent = trace if trace and _TRACEPARENT.fullmatch(trace) else None
    return envelope


_ID = re.compile(rf".{{1,{LONGEST_ID}}}", re.DOTALL)


def _passed_on(value: JsonValue) -> str | None:
    """Return an attribute that is only passed on; a bad one is left out, since nothing depends on it."""
    return value if isinstance(value, str) and value and "\0" not in value else None


def parse(text: bytes) -> JsonValue:
    """Parse JSON strictly: UTF-8, no NaN or Infinity, no lone surrogates, bounded depth.

    Raises: ValueError.
    """
    return cast("JsonValue", from_json(text, allow_inf_nan=False))


def canonical(value: JsonValue) -> bytes:
    """Write a JSON value so that equal values give equal bytes, whatever the order of keys was.

    Raises: ValueError for a number too long to write.
    """
    return _CANONICAL.encode(value).encode()


def faults_of(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Return pydantic's errors as faults, with the path into the body as the field."""
    return [Fault(".".join(str(step) for step in error["loc"]) or "data", str(error["msg"])) for error in errors]
