"""An event as it is read from its record on `invoice.events`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from events.catalogue import read_published_event
from events.invoice_events import AnyInvoiceEvent
from events.trace import Trace


@dataclass(frozen=True, slots=True)
class Published:
    """An event with its record. version: the invoice's. body: its JSON, as published. partition: of the topic."""

    event: AnyInvoiceEvent
    version: int
    body: bytes
    partition: int
    headers: Mapping[str, bytes | None]

    @property
    def id(self) -> str:
        """The event's id."""
        return self._text("ce_id") or ""

    @property
    def type(self) -> str:
        """The event's full type."""
        return self._text("ce_type") or ""

    @property
    def own_trace(self) -> Trace:
        """What the event itself carries: the command that caused it, and the journey that it belongs to."""
        return Trace(self._text("ce_causationid") or "", self._correlation, self._text("traceparent"))

    @property
    def trace(self) -> Trace:
        """What the messages that this event causes carry."""
        return Trace(self.id, self._correlation, self._text("traceparent"))

    @property
    def _correlation(self) -> str:
        return self._text("ce_correlationid") or self.id

    def _text(self, name: str) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode()


def read_published(headers: Iterable[tuple[str, bytes | None]], body: bytes, partition: int) -> Published:
    """Read the event of a record.

    Raises: KeyError or ValueError for a record that is not an event; WrittenByNewerRelease for one that this release
    does not know yet.
    """
    named = dict(headers)
    event = read_published_event((named["ce_type"] or b"").decode(), body)
    return Published(event, int(named["ce_invoiceversion"] or b""), body, partition, named)
