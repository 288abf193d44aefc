"""A read model on a real database: batches, positions and the outbox in one transaction."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, LiteralString

import psycopg
import pytest
from aiokafka import TopicPartition
from psycopg.rows import dict_row

from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC
from projections import schema
from projections.details import fold as details
from projections.details.table import DetailsTable
from projections.engine.folding import Changed, Fold, Row, by_invoice, fold_batch, read
from projections.engine.projection import Projection
from projections.engine.read_model import Folded
from projections.engine.version_gaps import VersionGap
from projections.publication import outbox
from projections.publication.outbox import HeldBack
from projections.status import fold as status
from projections.status.table import StatusTable
from tests.projections.support import facts, naive
from tests.projections.support.published import TRACE, event_id, messages, records
from transport.addresses import Addresses
from transport.batch import Batch
from transport.positions import PositionLost
from transport.records import ConsumerRecord

PARTITION = TopicPartition(EVENTS_TOPIC, 0)
STORY = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())


def batch(of: Sequence[ConsumerRecord]) -> Batch:
    return Batch(of, {PARTITION: of[0].offset})


@pytest.fixture
def statuses(tables: Addresses) -> Iterator[Projection]:
    projection = status_projection(tables)
    projection.positions([PARTITION])
    with closing(projection):
        yield projection


def status_projection(tables: Addresses, committed: Callable[[], None] = lambda: None) -> Projection:
    model = Folded(status.fold, StatusTable(), outbox.put)
    return Projection(tables.database, consumer="status", model=model, committed=committed)


def folded(fold: Fold[Row], events: Sequence[AnyInvoiceEvent]) -> list[Changed[Row]]:
    """Return what each event changes when it comes alone."""
    row: dict[str, Row] = {}
    return [one for event in records(messages(events)) for one in fold_batch(fold, row, by_invoice([read(event)]))]


def rows(tables: Addresses, query: LiteralString) -> list[dict[str, Any]]:
    with psycopg.connect(tables.database) as connection, connection.cursor(row_factory=dict_row) as cur:
        return cur.execute(query).fetchall()


def test_batches_leave_the_document_of_the_whole_story(tables: Addresses, statuses: Projection) -> None:
    topic = records(messages(STORY))
    statuses.handle(batch(topic[:1]))
    statuses.handle(batch(topic[1:4]))
    statuses.handle(batch(topic[4:]))
    (row,) = rows(tables, "select * from projections.status")
    assert row == {
        "invoice_number": facts.NUMBER,
        "version": len(STORY),
        "account_id": facts.ACCOUNT,
        "document": naive.status_document(STORY),
    }
    assert statuses.positions([PARTITION]) == {PARTITION: len(STORY)}


def test_details_keep_the_invoice_and_its_sequel(tables: Addresses) -> None:
    projection = Projection(tables.database, consumer="details", model=Folded(details.fold, DetailsTable()))
    projection.positions([PARTITION])
    topic = records(messages(STORY))
    with closing(projection):
        projection.handle(batch(topic[:2]))
        projection.handle(batch(topic[2:]))
    (row,) = rows(tables, "select * from projections.details")
    assert row["invoice"] == json.loads(topic[0].value or b"")
    assert row["version"] == row["sequel"]["version"] == len(STORY)
    assert row["sequel"]["status"] == naive.status_document(STORY)


def test_a_batch_that_comes_again_is_lost_and_changes_nothing(tables: Addresses, statuses: Projection) -> None:
    topic = records(messages(STORY))
    statuses.handle(batch(topic))
    before = rows(tables, "select xmin::text, * from projections.status")
    with pytest.raises(PositionLost):
        statuses.handle(batch(topic))
    assert rows(tables, "select xmin::text, * from projections.status") == before


def test_events_read_again_from_the_beginning_change_no_row_and_publish_nothing(
    tables: Addresses, statuses: Projection
) -> None:
    topic = records(messages(STORY))
    statuses.handle(batch(topic))
    before = rows(tables, "select xmin::text, * from projections.status")
    with psycopg.connect(tables.database) as connection:
        connection.execute("update redletter.positions set next = 0")
        connection.execute("delete from projections.status_outbox")
    statuses.handle(batch(topic))
    assert rows(tables, "select xmin::text, * from projections.status") == before
    assert rows(tables, "select * from projections.status_outbox") == []


def test_a_gap_stores_nothing_and_work_resumes_once_it_is_filled(tables: Addresses, statuses: Projection) -> None:
    topic = records(messages(STORY))
    with pytest.raises(VersionGap):
        statuses.handle(batch([topic[0], topic[2]]))
    assert rows(tables, "select * from projections.status") == []
    assert statuses.positions([PARTITION]) == {PARTITION: 0}
    statuses.handle(batch(topic))
    assert len(rows(tables, "select * from projections.status")) == 1


def test_an_older_row_never_replaces_a_newer_one(tables: Addresses) -> None:
    begun, *later = folded(status.fold, STORY[:3])
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        StatusTable().insert(cur, [begun])
        for one in reversed(later):
            StatusTable().update(cur, [one])
        StatusTable().ask(cur, [facts.NUMBER])
        assert StatusTable().rows(cur) == {facts.NUMBER: later[-1].row}


def test_the_outbox_holds_one_row_for_the_newest_document(tables: Addresses, statuses: Projection) -> None:
    topic = records(messages(STORY))
    statuses.handle(batch(topic[:2]))
    statuses.handle(batch(topic[2:3]))
    (row,) = rows(tables, "select * from projections.status_outbox")
    assert row["as_of"] == STORY[2].occurred_at
    assert {key: value for key, value in row.items() if key != "as_of"} == {
        "invoice_number": facts.NUMBER,
        "version": 3,
        "partition": 0,
        "causation": event_id(facts.NUMBER, 3),
        "correlation": f"correlation of {facts.NUMBER}",
        "traceparent": TRACE,
    }


def test_older_details_never_replace_newer_ones(tables: Addresses) -> None:
    begun, *later = folded(details.fold, STORY[:3])
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        DetailsTable().insert(cur, [begun])
        for one in reversed(later):
            DetailsTable().update(cur, [one])
        DetailsTable().ask(cur, [facts.NUMBER])
        assert DetailsTable().rows(cur) == {facts.NUMBER: later[-1].row}


def test_an_older_document_never_replaces_a_newer_one_in_the_outbox(tables: Addresses) -> None:
    first, second = folded(status.fold, STORY[:2])
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        outbox.put(cur, [second])
        outbox.put(cur, [first])
    assert [row["version"] for row in rows(tables, "select version from projections.status_outbox")] == [2]


async def test_documents_that_wait_for_a_later_version_keep_no_other_from_being_published(
    tables: Addresses, statuses: Projection
) -> None:
    statuses.handle(batch(records(messages(STORY))[:1]))
    held = [HeldBack(f"{index:020d}", 9, 0, STORY[0].occurred_at, "event", "command", None) for index in range(3)]
    async with await psycopg.AsyncConnection.connect(tables.database, autocommit=True) as connection:
        with psycopg.connect(tables.database) as other, other.cursor() as cur:
            outbox.hold_back(cur, held)
        assert [one.invoice_number for one in await outbox.pending(connection, [0], 3)] == [facts.NUMBER]


async def test_a_document_that_changed_while_it_was_published_stays_in_the_outbox(tables: Addresses) -> None:
    topic = records(messages(STORY))
    projection = status_projection(tables)
    projection.positions([PARTITION])
    with closing(projection):
        async with await psycopg.AsyncConnection.connect(tables.database, autocommit=True) as connection:
            projection.handle(batch(topic[:1]))
            first = await outbox.pending(connection, [0], 10)
            projection.handle(batch(topic[1:2]))
            await outbox.drop(connection, first)
            second = await outbox.pending(connection, [0], 10)
            assert [(one.version, json.loads(one.document)["version"]) for one in first + second] == [(1, 1), (2, 2)]
            assert await outbox.pending(connection, [1], 10) == []
            await outbox.drop(connection, second)
            assert await outbox.pending(connection, [0], 10) == []


async def test_a_document_waits_while_the_table_does_not_stand_at_its_version(
    tables: Addresses, statuses: Projection
) -> None:
    statuses.handle(batch(records(messages(STORY))))
    async with await psycopg.AsyncConnection.connect(tables.database, autocommit=True) as connection:
        await connection.execute("update projections.status set version = version - 1")
        assert await outbox.pending(connection, [0], 10) == []


def test_a_lost_connection_fails_the_batch_and_the_next_try_has_a_new_one(
    tables: Addresses, statuses: Projection
) -> None:
    topic = records(messages(STORY))
    statuses.handle(batch(topic[:1]))
    with psycopg.connect(tables.database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    with pytest.raises(psycopg.OperationalError):
        statuses.handle(batch(topic[1:]))
    statuses.handle(batch(topic[1:]))
    assert statuses.positions([PARTITION]) == {PARTITION: len(STORY)}


def test_waiters_for_changes_are_notified_after_the_commit_and_only_then(tables: Addresses) -> None:
    seen: list[int] = []
    projection = status_projection(
        tables, committed=lambda: seen.append(len(rows(tables, "select * from projections.status_outbox")))
    )
    projection.positions([PARTITION])
    topic = records(messages(STORY))
    with closing(projection):
        projection.handle(batch(topic))
        with pytest.raises(PositionLost):
            projection.handle(batch(topic))
    assert seen == [1]


def test_a_second_table_beside_the_live_one_is_filled_by_itself(tables: Addresses) -> None:
    beside = StatusTable("status_2")
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        beside.create(cur)
    projection = Projection(tables.database, consumer="rebuild", model=Folded(status.fold, beside))
    projection.positions([PARTITION])
    with closing(projection):
        projection.handle(batch(records(messages(STORY))))
    assert len(rows(tables, "select * from projections.status_2")) == 1
    assert rows(tables, "select * from projections.status") == []


def test_tables_are_made_once_and_found_again(tables: Addresses) -> None:
    schema.ensure_read_tables(tables.database)
    schema.ensure_read_tables(tables.database)
