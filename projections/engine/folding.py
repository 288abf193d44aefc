"""A batch of records of `invoice.events` folded in memory, so that each row is loaded and written once per batch."""

from collections.abc import Callable, Iterable
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
    """A row that a batch changed, and the events that were folded into it first and last. begins: whether it is new."""

    row: Row
    first: Published
    last: Published
    begins: bool


def numbers(events: Iterable[Published]) -> list[str]:
    """Return the numbers of the events' invoices, sorted, so that rows are always locked in one order."""
    return sorted({published.event.invoice_number for published in events})


def fold_batch(fold: Fold[Row], rows: dict[str, Row], events: Iterable[Published]) -> list[Changed[Row]]:
    """Fold the events in order into ``rows`` and return those that changed, sorted by invoice number.

    Raises: VersionGap.
    """
    first: dict[str, Published] = {}
    last: dict[str, Published] = {}
    begun: set[str] = set()
    for published in events:
        number = published.event.invoice_number
        before = rows.get(number)
        after = fold(before, published.event, published.version)
        if after is before:
            continue
        if before is None:
            begun.add(number)
        rows[number] = after
        first.setdefault(number, published)
        last[number] = published
    return [Changed(rows[number], first[number], last[number], number in begun) for number in sorted(last)]


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
