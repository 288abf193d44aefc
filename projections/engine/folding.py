"""A batch of records of `invoice.events` folded in memory, so that each row is loaded and written once per batch."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from events.invoice_events import AnyInvoiceEvent
from events.published import Published, read_published
from events.upcasting import WrittenByNewerRelease
from transport.records import KafkaRecord, Undecodable

Row = TypeVar("Row")
Fold = Callable[[Row | None, AnyInvoiceEvent, int], Row]
"""(row, event, version) -> row; a repeat gives the very same row object again."""


class NotAnEvent(Exception):
    """A record of the event topic is not an event that this release knows. Only the relay should write there."""

    def __init__(self, record: KafkaRecord, why: str = "is not a known event") -> None:
        if isinstance(record, Undecodable):
            why = f"cannot be decoded: {record.error}"
        super().__init__(f"{record.topic}[{record.partition}] offset {record.offset} {why}")


class Changed(NamedTuple, Generic[Row]):
    """A row that a batch changed, and the events that were folded into it first and last. before: None if it is new."""

    row: Row
    first: Published
    last: Published
    before: Row | None


EventsByInvoice = Mapping[str, Sequence[Published]]
"""The events of a batch, in order for each invoice. The invoices are sorted, so that rows are locked in one order."""


def by_invoice(events: Iterable[Published]) -> EventsByInvoice:
    """Return the events by number of their invoice."""
    found: dict[str, list[Published]] = defaultdict(list)
    for published in events:
        found[published.event.invoice_number].append(published)
    return dict(sorted(found.items()))


def fold_batch(fold: Fold[Row], rows: dict[str, Row], events: EventsByInvoice) -> list[Changed[Row]]:
    """Fold the events into ``rows`` and return those that changed, in the order of the invoices. Raises: VersionGap."""
    changed: list[Changed[Row]] = []
    for number, of_one in events.items():
        before = row = rows.get(number)
        first = last = None
        for published in of_one:
            after = fold(row, published.event, published.version)
            if after is not row:
                row, first, last = after, first or published, published
        if row is not None and first and last:
            rows[number] = row
            changed.append(Changed(row, first, last, before))
    return changed


def read(record: KafkaRecord) -> Published:
    """Return the event of a record. Raises: NotAnEvent."""
    if isinstance(record, Undecodable) or record.value is None:
        raise NotAnEvent(record)
    try:
        published = read_published(record.headers, record.value, record.partition)
    except WrittenByNewerRelease as newer:
        why = f"is {newer} of a newer release, which this program does not know: run the newer release"
        raise NotAnEvent(record, why) from newer
    except (KeyError, ValueError) as error:
        raise NotAnEvent(record) from error
    if published.event.invoice_number.encode() != record.key:
        raise NotAnEvent(record)
    return published
