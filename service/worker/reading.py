"""From a raw record to a command, or to the reasons why it is not one. Each record is read alone."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from events.command_records import CommandRecord, read_command
from events.commands import AnyCommand, EraseInvoice
from events.envelopes import Envelope
from events.faults import Fault, Faults
from events.trace import Trace
from service.invoice.moment import Moment
from service.worker.moments import Moments
from service.worker.sealing import keyed
from transport.records import ConsumerRecord, KafkaRecord, Undecodable, size_of

MAX_RECORD_BYTES = 1024 * 1024
"""Bytes of a record's key, value and headers. More, which compression hides from Kafka, is not kept or read."""


class Received(NamedTuple):
    """A readable command, with all that its record gives to its decision, its events and its reply.

    trace: what its events and its reply carry. key: the idempotency key, made of topic, source and id, so that no
    publisher can use up another's ids.
    """

    record: ConsumerRecord
    command: AnyCommand
    id: str
    source: str
    type: str
    trace: Trace
    moment: Moment
    digest: bytes
    key: UUID

    @property
    def time(self) -> datetime:
        """When the broker took the record."""
        return self.moment.time

    def under(self, key: bytes | None) -> "Received":
        """Return the same with the digest that is kept of it, under a key. An erasure has nothing that is sealed."""
        if key is None or isinstance(self.command, EraseInvoice):
            return self
        return self._replace(digest=keyed(self.digest, key))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is not a command. It becomes a dead letter; where id and source are known, it also gets a reply.

    time: when the broker took it. fault: of the program, which could not read it.
    """

    record: KafkaRecord
    time: datetime
    reason: str
    faults: Faults
    envelope: Envelope
    invoice_number: str | None = None
    fault: Exception | None = None

    @property
    def trace(self) -> Trace:
        """What the reply carries, if there is one."""
        id_ = self.envelope.id or ""
        return Trace(id_, self.envelope.correlation or id_, self.envelope.traceparent)


def read(record: KafkaRecord, moments: Moments) -> Received | Unreadable:
    """Read one record. Never raises: a fault of the program costs this record alone."""
    time = moments.time(record)
    try:
        if not isinstance(record, Undecodable):
            return _read(record, time, moments)
        return Unreadable(record, time, "UNDECODABLE_RECORD", Faults(Fault("headers", record.error)), Envelope())
    except Exception as fault:  # noqa: BLE001 - whatever it is, the other records must not suffer from it
        return Unreadable(record, time, "FAULT", Faults(Fault("data", repr(fault))), Envelope(), fault=fault)


def _read(record: ConsumerRecord, time: datetime, moments: Moments) -> Received | Unreadable:
    too_large = size_of(record) > MAX_RECORD_BYTES
    # Of one that is too large the headers alone: whoever sent it gets a reply where they say who it was.
    read_as = read_command(record.headers, record.key, b"" if too_large else record.value)
    if isinstance(read_as, CommandRecord):
        key = idempotency_key(record.topic, read_as.source, read_as.id)
        moment = Moment(time, moments.calendar, str(key), moments.policy)
        return Received(
            record,
            read_as.command,
            read_as.id,
            read_as.source,
            read_as.type,
            read_as.trace,
            moment,
            read_as.digest,
            key,
        )
    if too_large:
        faults = Faults(Fault("data", f"the record is larger than {MAX_RECORD_BYTES} bytes"))
        return Unreadable(record, time, "TOO_LARGE", faults, read_as.envelope)
    envelope = read_as.envelope
    return Unreadable(record, time, "MALFORMED_COMMAND", envelope.faults, envelope, read_as.invoice_number)


def idempotency_key(topic: str, source: str, command_id: str) -> UUID:
    """Return the key under which the first reply to a command is kept."""
    text = f"{topic}\0{source}\0{command_id}"
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())
