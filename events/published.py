"""An event as it is read from its record on `invoice.events`."""

from collections.abc import Iterable
from typing import NamedTuple

from events.catalogue import json_of, name_of, read_published_event, type_of
from events.invoice_events import AnyInvoiceEvent
from events.trace import Trace


class Published(NamedTuple):
    """An event with its record.

    version: the invoice's. type: in full. body: its JSON, as published. partition: of the topic. causation: the command
    that caused it. correlation: the journey that it belongs to.
    """

    event: AnyInvoiceEvent
    version: int
    id: str
    type: str
    body: bytes
    partition: int
    causation: str
    correlation: str
    traceparent: str | None

    @property
    def trace(self) -> Trace:
        """What the messages that this event causes carry."""
        return Trace(self.id, self.correlation, self.traceparent)

    @property
    def body_today(self) -> bytes:
        """Its JSON as today's type has it: another body than that published where an upcaster has read that."""
        return self.body if self.type == type_of(name_of(type(self.event))) else json_of(self.event)


def read_published(headers: Iterable[tuple[str, bytes | None]], body: bytes, partition: int) -> Published:
    """Read the event of a record.

    Raises: KeyError or ValueError for a record that is not an event; WrittenByNewerRelease for one that this release
    does not know yet.
    """
    named = dict(headers)
    type_ = (named["ce_type"] or b"").decode()
    event = read_published_event(type_, body)
    id_ = (named.get("ce_id") or b"").decode()
    traceparent = named.get("traceparent")
    return Published(
        event,
        int(named["ce_invoiceversion"] or b""),
        id_,
        type_,
        body,
        partition,
        causation=(named.get("ce_causationid") or b"").decode(),
        correlation=(named.get("ce_correlationid") or b"").decode() or id_,
        traceparent=None if traceparent is None else traceparent.decode(),
    )
