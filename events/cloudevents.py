"""CloudEvents 1.0 in its Kafka binding: the headers of binary mode, and what an attribute may be."""

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import lru_cache

from pydantic import JsonValue

from events.catalogue import schema_of, type_of
from events.faults import MAX_ECHOED_CHARACTERS

JSON = b"application/json"
STRUCTURED = "application/cloudevents+json"
LONGEST_ID = 128
LONGEST_ATTRIBUTE = MAX_ECHOED_CHARACTERS
"""Characters of source, type, subject and correlationid."""

_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_ID = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{LONGEST_ID}}}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

RawHeaders = Iterable[tuple[str, bytes | None]]


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


def is_id(text: str) -> bool:
    """Return whether a text may be the id of a command."""
    return _ID.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def is_source(text: str) -> bool:
    """Return whether a text may be the source of a command."""
    return is_short(text) and _URI_REFERENCE.fullmatch(text) is not None


def traceparent_of(value: JsonValue) -> str | None:
    """Return a W3C trace context as it is; anything else is left out, since nothing depends on it."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def is_short(text: str) -> bool:
    """Return whether a text may be an attribute other than the id."""
    return len(text) <= LONGEST_ATTRIBUTE


@lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """Return a content type without its parameters."""
    return content_type.partition(";")[0].strip().lower()
