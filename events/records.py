"""A record of any topic as one of the messages, and a command as a record: what other services read and write.

The library `redletter-events` is made of this module and those that it imports.
"""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeAlias

from pydantic import JsonValue, TypeAdapter
from pydantic_core import from_json, to_json

from events import cloudevents
from events.catalogue import (
    COMMAND_TYPES,
    EVENT_TYPES,
    NOTICE_TYPES,
    PREFIX,
    REPLY_TYPES,
    STATUS_TYPES,
    TAX_REQUEST_TYPES,
    json_of,
    name_of,
    read_event,
    stored_name,
)
from events.commands import AnyCommand
from events.invoice_events import AnyInvoiceEvent
from events.notices import AnyNotice
from events.replies import AnyReply
from events.status import InvoiceStatus
from events.tax_requests import AnyTaxRequest

ConsumedHeaders: TypeAlias = Iterable[tuple[str, bytes | None]] | None


class ConsumedRecord(Protocol):
    """A record as aiokafka and kafka-python hand it over."""

    @property
    def headers(self) -> ConsumedHeaders:
        """Its headers, in order."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value."""
        ...


class ConfluentMessage(Protocol):
    """A record as confluent-kafka hands it over: what others have as attributes are methods."""

    def headers(self) -> ConsumedHeaders:
        """Return its headers, in order."""
        ...

    def value(self) -> bytes | None:
        """Return its value."""
        ...


AnyRecord: TypeAlias = ConsumedRecord | ConfluentMessage


@dataclass(frozen=True, slots=True)
class Unread:
    """A record to pass over. type: in full. reason: it is unknown to this release, or the record has no value."""

    type: str
    reason: str


AnyMessage: TypeAlias = AnyInvoiceEvent | AnyReply | InvoiceStatus | AnyTaxRequest | AnyNotice | AnyCommand


class Attributes(NamedTuple):
    """What a record says beside its message.

    subject: the invoice number. version: the invoice's, on events: 1, 2, 3 ... without gaps. causation_id: the id of
    the message that caused this one; on a reply that of the command. correlation_id: of the journey. traceparent: a W3C
    trace context.
    """

    id: str
    source: str
    type: str
    subject: str | None
    version: int | None
    causation_id: str | None
    correlation_id: str | None
    traceparent: str | None


class CommandToPublish(NamedTuple):
    """A record for a producer: ``producer.send(**record._asdict())``."""

    topic: str
    value: bytes
    key: bytes
    headers: list[tuple[str, bytes]]


def read(record: AnyRecord) -> AnyMessage | Unread:
    """Return the message of a record, in binary or structured mode. Fields that are not known yet are ignored.

    Raises: ValueError for a record that is no CloudEvent, and for a body that is not one of its type.
    """
    said, body = _opened(record)
    type_, name = said["type"], stored_name(said["type"])
    if type_ != PREFIX + name or not (name in EVENT_TYPES or name in _OTHERS):
        return Unread(type_, "of a type that this release does not know")
    if body is None:
        return Unread(type_, "without a value")
    return read_event(name, body) if name in EVENT_TYPES else _OTHERS[name].model_validate_json(body, extra="ignore")


def attributes(record: AnyRecord) -> Attributes:
    """Return what else a record says, in either mode. Raises: ValueError for one that is no CloudEvent."""
    said, _ = _opened(record)
    return Attributes(
        said["id"],
        said["source"],
        said["type"],
        said.get("subject"),
        int(said["invoiceversion"]) if "invoiceversion" in said else None,
        said.get("causationid"),
        said.get("correlationid"),
        said.get("traceparent"),
    )


def write(
    command: AnyCommand,
    *,
    id: str,  # noqa: A002 - the attribute's name
    source: str,
    cause: Attributes | None = None,
    structured: bool = False,
) -> CommandToPublish:
    """Return the record of a command, in binary mode unless it is to be structured.

    id: the same for every attempt, so that the command is carried out once. source: a URI reference of the publisher.
    cause: of the message that the command answers, such as a tax request: it continues that one's journey and trace.
    Raises: ValueError for what Redletter would call malformed.
    """
    if not (cloudevents.is_id(id) and cloudevents.is_source(source)):
        msg = f"id must be 1 to {cloudevents.LONGEST_ID} characters without control characters, source a URI reference"
        raise ValueError(msg)
    body, name = json_of(command), name_of(type(command))
    type(command).model_validate_json(body)  # what was given as a Decimal or a datetime may be written otherwise
    headers = cloudevents.headers(
        id=id,
        source=source,
        name=name,
        subject=command.invoice_number,
        time=datetime.now(UTC),
        correlation=(cause and cause.correlation_id) or id,
        causation=cause.id if cause else None,
        traceparent=cause.traceparent if cause else None,
    )
    value = body
    if structured:
        said = {name.removeprefix("ce_"): text.decode() for name, text in headers if name != "content-type"}
        headers, value = [("content-type", cloudevents.STRUCTURED.encode())], to_json({**said, "data": from_json(body)})
    return CommandToPublish(command.CHANNEL.value, value, command.invoice_number.encode(), headers)


_OTHERS: Mapping[str, type[AnyReply | InvoiceStatus | AnyTaxRequest | AnyNotice | AnyCommand]] = {
    **REPLY_TYPES,
    **STATUS_TYPES,
    **TAX_REQUEST_TYPES,
    **NOTICE_TYPES,
    **COMMAND_TYPES,
}
"""Every message but the events, which are read through their upcasters."""
_NEEDED = ("id", "source", "type")
_OBJECT = TypeAdapter(dict[str, JsonValue])


def _opened(record: AnyRecord) -> tuple[Mapping[str, str], bytes | None]:
    """Return the attributes of a record by their names, and its body."""
    headers = record.headers() if callable(record.headers) else record.headers
    value = record.value() if callable(record.value) else record.value
    by_name = {name: header.decode() for name, header in headers or () if header is not None}
    if cloudevents.media_type(by_name.get("content-type", "")) == cloudevents.STRUCTURED:
        said, body = _structured(value)
    else:
        said, body = {name.removeprefix("ce_"): text for name, text in by_name.items()}, value
    if lacking := [name for name in _NEEDED if name not in said]:
        msg = f"the record is no CloudEvent: it has no {', '.join(lacking)}"
        raise ValueError(msg)
    return said, body


def _structured(value: bytes | None) -> tuple[Mapping[str, str], bytes | None]:
    event = _OBJECT.validate_json(value or b"{}")
    data, written = event.pop("data", None), event.pop("data_base64", None)
    body = to_json(data) if data is not None else None if written is None else b64decode(str(written))
    return {name: str(attribute) for name, attribute in event.items() if attribute is not None}, body
