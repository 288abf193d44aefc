"""A live read model continues with every partition that it can, and reports where and why the others stopped."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, LiteralString

import psycopg
import pytest
from aiokafka import TopicPartition

from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC
from projections import catalogue
from projections.catalogue import MODELS
from projections.engine import health
from projections.engine.health import Health
from projections.engine.live_projection import MAX_TRIES, LiveProjection
from projections.engine.projection import Projection
from projections.rebuild import tables as rebuilt
from tests.projections.support import facts
from tests.projections.support.published import message, record
from transport import positions
from transport.addresses import Addresses
from transport.batch import Batch, PartitionsStopped
from transport.records import ConsumerRecord, OutgoingRecord

GOOD, BAD = TopicPartition(EVENTS_TOPIC, 0), TopicPartition(EVENTS_TOPIC, 1)
NEWER = "of a newer release, which this program does not know: run the newer release"
NO_EVENT = OutgoingRecord(EVENTS_TOPIC, facts.NUMBER.encode(), b"{}", [])
DETAILS = MODELS["details"]


def invoice(count: int) -> AnyInvoiceEvent:
    return facts.issued(invoice_number=f"26{count:018}")


def written_by_newer(old: bytes, new: bytes) -> OutgoingRecord:
    """Return an event as a newer release may write it."""
    of = message(invoice(99), 1)
    headers = [(name, (value or b"").replace(old, new)) for name, value in of.headers]
    return OutgoingRecord(of.topic, of.key, (of.value or b"").replace(old, new), headers)


def topic(partition: TopicPartition, *messages: OutgoingRecord, first: int = 0) -> list[ConsumerRecord]:
    return [record(one, offset, partition.partition) for offset, one in enumerate(messages, first)]


def batch(*records: Sequence[ConsumerRecord]) -> Batch:
    """Return the records of several partitions as one batch."""
    starts = {TopicPartition(EVENTS_TOPIC, one[0].partition): one[0].offset for one in records}
    return Batch([record for one in records for record in one], starts)


def make(tables: Addresses, code: str = "an earlier release") -> LiveProjection:
    health = Health(tables.database, "details", code)
    projection = Projection(tables.database, consumer=DETAILS.consumer, model=DETAILS.make(), guard=health)
    return LiveProjection(projection, health)


def place(tables: Addresses, live: LiveProjection, *partitions: TopicPartition) -> dict[TopicPartition, int]:
    """Announce partitions that are about to be read, as a consumer does; return where the read model stands on them."""
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        live.found(cur, partitions)
        return positions.stored(cur, DETAILS.consumer, partitions)


@pytest.fixture
def details(tables: Addresses) -> Iterator[LiveProjection]:
    projection = make(tables)
    place(tables, projection, GOOD, BAD)
    with closing(projection):
        yield projection


def rows(tables: Addresses, query: LiteralString) -> list[Any]:
    with psycopg.connect(tables.database) as connection:
        return connection.execute(query).fetchall()


def projected(tables: Addresses) -> list[str]:
    return [number for (number,) in rows(tables, "select invoice_number from projections.details order by 1")]


async def stopped(tables: Addresses) -> list[tuple[list[int], str]]:
    async with await psycopg.AsyncConnection.connect(tables.database) as connection:
        return [(one.partitions, one.why) for one in await health.stopped(connection)]


def poisoned(bad: OutgoingRecord, at: int = 7) -> Batch:
    """Return a batch of 20 invoices on each of two partitions, one of which has a bad record among them."""
    good = [message(invoice(count), 1) for count in range(40)]
    good[20 + at] = bad
    return batch(topic(GOOD, *good[:20]), topic(BAD, *good[20:]))


@pytest.mark.parametrize("at", [0, 7, 19])
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (NO_EVENT, "invoice.events[1] offset {at} is not a known event"),
        (message(invoice(99), 3), f"invoice.events[1] offset {{at}}: invoice 26{99:018}: version 3 came after 0"),
        (
            written_by_newer(b"InvoiceIssued.v1", b"InvoiceIssued.v99"),
            f"invoice.events[1] offset {{at}} is InvoiceIssued.v99 {NEWER}",
        ),
        (
            written_by_newer(b'"kind":"special"', b'"kind":"newer"'),
            f"invoice.events[1] offset {{at}} is InvoiceIssued.v1 with an unknown value of kind {NEWER}",
        ),
        (
            written_by_newer(b"redletter.invoice.", b"foreign."),
            "invoice.events[1] offset {at} is not a known event",
        ),
        (
            OutgoingRecord(
                EVENTS_TOPIC, b"26" + b"0" * 18, message(invoice(1), 1).value, message(invoice(1), 1).headers
            ),
            "invoice.events[1] offset {at} is not a known event",
        ),
    ],
    ids=[
        "no event",
        "a gap",
        "a type of a newer release",
        "a value of a newer release",
        "a foreign type",
        "another key than its number",
    ],
)
async def test_what_cannot_be_folded_stops_its_partition_there_and_no_other(
    tables: Addresses, details: LiveProjection, bad: OutgoingRecord, why: str, at: int
) -> None:
    with pytest.raises(PartitionsStopped) as raised:
        details.handle(poisoned(bad, at))
    assert raised.value.partitions == {BAD}
    assert place(tables, details, GOOD, BAD) == {GOOD: 20, BAD: at}
    assert len(projected(tables)) == 20 + at
    assert await stopped(tables) == [([1], why.format(at=at))]


async def test_an_internal_error_on_one_record_stops_a_model_that_parks_nothing_after_a_few_tries(
    tables: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = catalogue.details.fold

    def failing(row: Any, event: AnyInvoiceEvent, version: int) -> Any:
        if event.invoice_number == f"26{27:018}":
            raise ZeroDivisionError("division\nby zero" * 100)
        return fold(row, event, version)

    monkeypatch.setattr(catalogue.details, "fold", failing)
    poison = poisoned(message(invoice(27), 1))
    with closing(make(tables)) as details:
        place(tables, details, GOOD, BAD)
        for _ in range(MAX_TRIES - 1):
            with pytest.raises(ZeroDivisionError):
                details.handle(poison)
            assert await stopped(tables) == []
        with pytest.raises(PartitionsStopped):
            details.handle(poison)
        assert place(tables, details, GOOD, BAD) == {GOOD: 20, BAD: 7}
    ((partitions, why),) = await stopped(tables)
    assert partitions == [1]
    assert why.startswith("invoice.events[1] offset 7: ZeroDivisionError: division by zero")
    assert len(why) < 600


async def test_the_next_owner_of_a_partition_reports_its_stop_again_and_clears_it_when_work_resumes(
    tables: Addresses, details: LiveProjection
) -> None:
    with pytest.raises(PartitionsStopped):
        details.handle(poisoned(NO_EVENT))
    with closing(make(tables)) as next_owner:
        place(tables, next_owner, BAD)
        next_owner.handle(batch(topic(BAD, message(invoice(27), 1), first=7)))
    assert await stopped(tables) == []


async def test_an_owner_that_resumes_does_not_clear_what_another_reported(
    tables: Addresses, details: LiveProjection
) -> None:
    with pytest.raises(PartitionsStopped):
        details.handle(poisoned(NO_EVENT))
    with closing(make(tables)) as other:
        place(tables, other, GOOD)
        other.handle(batch(topic(GOOD, message(invoice(50), 1), first=20)))
    assert len(await stopped(tables)) == 1


async def test_a_model_that_fails_for_any_reason_is_reported_as_stopped_and_resumes_by_itself(
    tables: Addresses, details: LiveProjection
) -> None:
    good = poisoned(message(invoice(27), 1))
    with psycopg.connect(tables.database) as connection:
        connection.execute("alter table projections.details rename to details_away")
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(psycopg.errors.UndefinedTable):
            details.handle(good)
    with pytest.raises(PartitionsStopped) as raised:
        details.handle(good)
    assert raised.value.partitions == {GOOD, BAD}
    with psycopg.connect(tables.database) as connection:
        connection.execute("alter table projections.details_away rename to details")
    details.handle(good)
    assert await stopped(tables) == []
    assert len(projected(tables)) == 40


async def test_a_read_only_database_stops_no_partition_and_health_is_written_once_it_takes_writes(
    tables: Addresses, details: LiveProjection
) -> None:
    good = poisoned(message(invoice(27), 1))
    with psycopg.connect(tables.database, autocommit=True) as connection:
        held = psycopg.connect(tables.database)
        held.execute("select 1 from redletter.positions for update")
        connection.execute("alter role current_user set lock_timeout = '50ms'")
        try:
            for _ in range(MAX_TRIES):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    details.handle(good)
        finally:
            connection.execute("alter role current_user reset lock_timeout")
            held.close()
    ((partitions, why),) = await stopped(tables)
    assert (partitions, why[:16]) == ([0, 1], "LockNotAvailable")
    with closing(make(tables)) as fresh:
        place(tables, fresh, GOOD, BAD)
        fresh.handle(good)
    assert await stopped(tables) == []


async def test_a_projector_of_an_earlier_release_does_not_write_what_a_later_one_has_rebuilt(
    tables: Addresses, details: LiveProjection
) -> None:
    details.handle(batch(topic(GOOD, message(invoice(1), 1))))
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        rebuilt.begin(cur, DETAILS, "a later release")
        rebuilt.switch(cur, DETAILS, "a later release", 8)
        rebuilt.drop_tables(cur, DETAILS, rebuilt.OLD)
    with pytest.raises(PartitionsStopped):
        details.handle(batch(topic(GOOD, message(invoice(2), 1), first=1)))
    ((_, why),) = await stopped(tables)
    assert why.startswith("another release has rebuilt it")
    with closing(make(tables)) as started_again, pytest.raises(PartitionsStopped):
        started_again.handle(batch(topic(GOOD, message(invoice(2), 1), first=1)))
    with closing(make(tables, "a later release")) as of_later:
        place(tables, of_later, GOOD)
        of_later.handle(batch(topic(GOOD, message(invoice(2), 1), first=1)))
    assert await stopped(tables) == []
