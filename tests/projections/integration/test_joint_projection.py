"""Read models that keep up are projected together; one that does not is left behind, and taken along again later."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest
from aiokafka import TopicPartition
from psycopg.sql import SQL, Identifier

from events.invoice_events import AnyInvoiceEvent
from events.names import PROJECTOR_GROUP
from events.topics import EVENTS_TOPIC
from projections import catalogue
from projections.catalogue import REBUILT
from projections.engine import joint_projection
from projections.engine.joint_projection import JointProjection, Traveller
from projections.engine.read_model import Cur
from projections.rebuild import tables as rebuilt
from projections.status.table import StatusTable
from tests.projections.support import facts
from tests.projections.support.published import message, messages, record
from transport import positions
from transport.addresses import Addresses
from transport.batch import Batch
from transport.positions import PositionLost
from transport.records import ConsumerRecord, OutgoingRecord

GOOD, BAD = TopicPartition(EVENTS_TOPIC, 0), TopicPartition(EVENTS_TOPIC, 1)
STORY = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())
NO_EVENT = OutgoingRecord(EVENTS_TOPIC, facts.NUMBER.encode(), b"{}", [])


def invoice(count: int) -> AnyInvoiceEvent:
    return facts.issued(invoice_number=f"26{count:018}")


def on(partition: TopicPartition, *of: OutgoingRecord, first: int = 0) -> list[ConsumerRecord]:
    return [record(one, offset, partition.partition) for offset, one in enumerate(of, first)]


def batch(*topic: Sequence[ConsumerRecord]) -> Batch:
    starts = {TopicPartition(EVENTS_TOPIC, one[0].partition): one[0].offset for one in topic}
    return Batch([one for each in topic for one in each], starts)


def make(tables: Addresses, committed: Callable[[], None] = lambda: None) -> JointProjection:
    travellers: list[Any] = [
        Traveller(entry.name, entry.consumer, entry.make(), "this release")  # type: ignore[arg-type] - those rebuilt are all of events
        for entry in REBUILT.values()
    ]
    return JointProjection(tables.database, leader=PROJECTOR_GROUP, travellers=travellers, committed=committed)


@pytest.fixture
def placed(tables: Addresses) -> Addresses:
    """Return a database in which all stand at the beginning."""
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        for consumer in (PROJECTOR_GROUP, *(entry.consumer for entry in REBUILT.values())):
            positions.stored(cur, consumer, [GOOD, BAD])
    return tables


@pytest.fixture
def together(placed: Addresses) -> Iterator[JointProjection]:
    projection = make(placed)
    with psycopg.connect(placed.database) as connection, connection.cursor() as cur:
        projection.found(cur, [GOOD, BAD])
    with closing(projection):
        yield projection


def at(tables: Addresses, partition: TopicPartition = GOOD) -> dict[str, int]:
    """Return where the leader and the read models stand, by name."""
    names = {entry.consumer: entry.name for entry in REBUILT.values()} | {PROJECTOR_GROUP: "leader"}
    with psycopg.connect(tables.database) as connection:
        rows = connection.execute(
            "select consumer, next from redletter.positions where partition = %s", (partition.partition,)
        ).fetchall()
    return {names[consumer]: next_ for consumer, next_ in rows}


def everywhere(next_: int, **but: int) -> dict[str, int]:
    return dict.fromkeys((*REBUILT, "leader"), next_) | but


def place(tables: Addresses, model: str, next_: int, partition: TopicPartition = GOOD) -> None:
    with psycopg.connect(tables.database) as connection:
        connection.execute(
            "update redletter.positions set next = %s where consumer = %s and partition = %s",
            (next_, REBUILT[model].consumer, partition.partition),
        )


def rows(tables: Addresses, table: str) -> int:
    with psycopg.connect(tables.database) as connection:
        found = connection.execute(SQL("select count(*) from projections.{}").format(Identifier(table))).fetchone()
    return (found or (-1,))[0]


def counts(tables: Addresses) -> dict[str, int]:
    return {name: rows(tables, name) for name in ("status", "details", "invoices", "history")}


def test_a_batch_is_projected_for_all_read_models_in_one_transaction(
    tables: Addresses, together: JointProjection
) -> None:
    together.handle(batch(on(GOOD, *messages(STORY[:3]))))
    together.handle(batch(on(GOOD, *messages(STORY[3:], first=4), first=3), on(BAD, message(invoice(1), 1))))
    assert at(tables) == everywhere(6)
    assert at(tables, BAD) == everywhere(1)
    assert counts(tables) == {"status": 2, "details": 2, "invoices": 2, "history": 7}
    with psycopg.connect(tables.database) as connection:
        written_by = [
            connection.execute(
                SQL("select distinct xmin::text from projections.{} where version = 6").format(Identifier(table))
            ).fetchall()
            for table in ("status", "details", "invoices", "history", "returns_invoices", "charges_invoices")
        ]
    assert len(written_by[0]) == 1
    assert written_by == [written_by[0]] * len(written_by)


def test_in_a_new_system_all_begin_together(tables: Addresses) -> None:
    with closing(make(tables)) as projection:
        with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
            positions.stored(cur, PROJECTOR_GROUP, [GOOD, BAD])
            cur.execute("update redletter.positions set next = 5 where partition = 1")
            projection.found(cur, [GOOD, BAD])
        projection.handle(batch(on(GOOD, *messages(STORY))))
    assert at(tables) == everywhere(6)
    assert at(tables, BAD) == {"leader": 5}


def test_each_event_is_read_once(together: JointProjection, monkeypatch: pytest.MonkeyPatch) -> None:
    read_: list[int] = []
    read = joint_projection.read

    def counting(one: Any) -> Any:
        read_.append(one.offset)
        return read(one)

    monkeypatch.setattr(joint_projection, "read", counting)
    together.handle(batch(on(GOOD, *messages(STORY))))
    assert read_ == [0, 1, 2, 3, 4, 5]


def test_a_batch_that_another_projector_has_done_is_dropped(tables: Addresses, together: JointProjection) -> None:
    done = batch(on(GOOD, *messages(STORY)))
    together.handle(done)
    with pytest.raises(PositionLost):
        together.handle(done)
    assert at(tables) == everywhere(6)
    assert rows(tables, "history") == 6


def test_a_read_model_that_is_behind_is_not_taken_along(tables: Addresses, together: JointProjection) -> None:
    together.handle(batch(on(GOOD, *messages(STORY[:2]))))
    place(tables, "details", 1)
    together.handle(batch(on(GOOD, *messages(STORY[2:3], first=3), first=2)))
    assert at(tables) == everywhere(3, details=1)


def test_a_read_model_that_has_caught_up_is_taken_along_again(tables: Addresses, together: JointProjection) -> None:
    place(tables, "details", 1)
    with psycopg.connect(tables.database) as connection:
        connection.execute("update redletter.positions set next = 1 where partition = 0")
    together.handle(batch(on(GOOD, message(invoice(1), 1), first=1)))
    assert at(tables) == everywhere(2)


def test_a_read_model_that_is_ahead_is_taken_along_from_where_it_is(
    tables: Addresses, together: JointProjection
) -> None:
    place(tables, "history", 2)
    many = [message(invoice(count), 1) for count in range(4)]
    together.handle(batch(on(GOOD, *many)))
    assert at(tables) == everywhere(4)
    assert counts(tables) == {"status": 4, "details": 4, "invoices": 4, "history": 2}


def test_a_read_model_that_is_farther_than_the_batch_waits_for_the_others(
    tables: Addresses, together: JointProjection
) -> None:
    place(tables, "history", 9)
    together.handle(batch(on(GOOD, message(invoice(1), 1))))
    assert at(tables) == everywhere(1, history=9)


def test_a_read_model_that_cannot_fold_is_left_behind_and_costs_the_others_nothing(
    placed: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = catalogue.details.fold

    def failing(row: Any, event: AnyInvoiceEvent, version: int) -> Any:
        if event.invoice_number == f"26{2:018}":
            raise ZeroDivisionError
        return fold(row, event, version)

    monkeypatch.setattr(catalogue.details, "fold", failing)
    with closing(make(placed)) as broken:
        broken.handle(batch(on(GOOD, message(invoice(1), 1)), on(BAD, message(invoice(2), 1))))
        assert at(placed, BAD) == everywhere(1, details=0)
        broken.handle(batch(on(GOOD, message(invoice(3), 1), first=1)))
    assert at(placed) == everywhere(2, details=0)
    assert counts(placed) == {"status": 3, "details": 0, "invoices": 3, "history": 3}


def test_a_record_that_is_not_an_event_stops_all_models_before_it_in_its_partition_alone(
    tables: Addresses, together: JointProjection
) -> None:
    bad = on(BAD, message(invoice(1), 1), NO_EVENT, message(invoice(2), 1))
    together.handle(batch(on(GOOD, message(invoice(3), 1)), bad))
    assert at(tables) == everywhere(1)
    assert at(tables, BAD) == everywhere(1, leader=3)
    together.handle(batch(on(GOOD, message(invoice(4), 1), first=1), on(BAD, message(invoice(5), 1), first=3)))
    assert at(tables) == everywhere(2)
    assert at(tables, BAD) == everywhere(1, leader=4)
    assert rows(tables, "status") == 3


def test_a_read_model_whose_positions_are_locked_holds_up_no_other(
    tables: Addresses, together: JointProjection
) -> None:
    """As while a rebuild pauses it."""
    with psycopg.connect(tables.database) as pausing:
        pausing.execute(
            "select 1 from redletter.positions where consumer = %s for update", (REBUILT["forms"].consumer,)
        )
        together.handle(batch(on(GOOD, message(invoice(1), 1))))
    assert at(tables) == everywhere(1, forms=0)


def test_a_read_model_whose_table_is_locked_is_left_behind(placed: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_projection, "_LOCK_WITHIN", "50ms")
    with psycopg.connect(placed.database) as holding, closing(make(placed)) as waiting:
        holding.execute("lock table projections.details in access exclusive mode")
        waiting.handle(batch(on(GOOD, message(invoice(1), 1))))
    assert at(placed) == everywhere(1, details=0)


def test_a_leader_whose_positions_are_locked_waits_and_leaves_nobody_behind(
    placed: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint_projection, "_LOCK_WITHIN", "50ms")
    first = batch(on(GOOD, message(invoice(1), 1)))
    with closing(make(placed)) as waiting:
        with psycopg.connect(placed.database) as holding:
            holding.execute("select 1 from redletter.positions where consumer = %s for update", (PROJECTOR_GROUP,))
            with pytest.raises(PositionLost):
                waiting.handle(first)
        waiting.handle(first)
    assert at(placed) == everywhere(1)


def test_a_read_model_that_another_release_has_rebuilt_is_left_behind(
    tables: Addresses, together: JointProjection
) -> None:
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        rebuilt.begin(cur, REBUILT["details"], "a later release")
        rebuilt.switch(cur, REBUILT["details"], "a later release", 8)
        rebuilt.drop_tables(cur, REBUILT["details"], rebuilt.OLD)
    together.handle(batch(on(GOOD, message(invoice(1), 1))))
    assert at(tables) == everywhere(1, details=0)


def test_a_table_that_is_switched_beneath_is_written_from_the_next_batch_on(
    tables: Addresses, together: JointProjection
) -> None:
    for count in range(8):  # so often that the statements are prepared
        together.handle(batch(on(GOOD, message(invoice(count), 1), first=count)))
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        rebuilt.begin(cur, REBUILT["details"], "this release")
        rebuilt.switch(cur, REBUILT["details"], "this release", 8)
        rebuilt.drop_tables(cur, REBUILT["details"], rebuilt.OLD)
    together.handle(batch(on(GOOD, message(invoice(8), 1), first=8)))
    assert at(tables) == everywhere(9)
    assert counts(tables) == {"status": 9, "details": 1, "invoices": 9, "history": 9}


def test_a_recorded_stop_is_cleared_once_the_read_model_resumes(tables: Addresses, together: JointProjection) -> None:
    with psycopg.connect(tables.database) as connection:
        connection.execute(
            "insert into projections.stopped (model, topic, partition, next, why) values"
            " ('details', %s, 0, 0, 'here'), ('details', %s, 1, 0, 'elsewhere'), ('replies', %s, 0, 0, 'another')",
            (EVENTS_TOPIC, EVENTS_TOPIC, EVENTS_TOPIC),
        )
    together.handle(batch(on(GOOD, message(invoice(1), 1))))
    with psycopg.connect(tables.database) as connection:
        left = connection.execute("select why from projections.stopped order by why").fetchall()
    assert left == [("another",), ("elsewhere",)]


def test_a_connection_that_is_lost_leaves_nobody_behind(tables: Addresses, together: JointProjection) -> None:
    together.handle(batch(on(GOOD, message(invoice(1), 1))))
    with psycopg.connect(tables.database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name = 'redletter projector'"
        )
    with pytest.raises(psycopg.OperationalError):
        together.handle(batch(on(GOOD, message(invoice(2), 1), first=1)))
    together.handle(batch(on(GOOD, message(invoice(2), 1), first=1)))
    assert at(tables) == everywhere(2)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Note the invoices whose status is loaded, batch by batch."""
    loaded: list[Sequence[str]] = []
    ask = StatusTable.ask

    def asking(table: StatusTable, cur: Cur, numbers: Sequence[str]) -> None:
        loaded.append(numbers)
        ask(table, cur, numbers)

    monkeypatch.setattr(StatusTable, "ask", asking)
    return loaded


def test_rows_that_the_batches_before_wrote_are_not_loaded_again(
    tables: Addresses, together: JointProjection, loaded: list[Sequence[str]]
) -> None:
    story = messages(STORY)
    for offset, one in enumerate(story):
        together.handle(batch(on(GOOD, one, first=offset)))
    together.handle(batch(on(GOOD, message(invoice(1), 1), first=len(story))))
    assert loaded == [[facts.NUMBER], [f"26{1:018}"]]
    assert at(tables) == everywhere(7)
    assert counts(tables) == {"status": 2, "details": 2, "invoices": 2, "history": 7}


def test_after_an_assignment_and_a_reset_rows_are_loaded_although_positions_are_as_they_were_left(
    tables: Addresses, together: JointProjection, loaded: list[Sequence[str]]
) -> None:
    """Another projector went on in between, and an operator moved all positions back to where this one had been."""
    story = messages(STORY)
    together.handle(batch(on(GOOD, *story[:2])))
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        together.found(cur, [GOOD])
    together.handle(batch(on(GOOD, *story[2:], first=2)))
    assert loaded == [[facts.NUMBER]] * 2


def test_what_another_projector_wrote_in_between_is_loaded(tables: Addresses, together: JointProjection) -> None:
    committed: list[bool] = []
    story = messages(STORY)
    with closing(make(tables, lambda: committed.append(True))) as first:
        first.handle(batch(on(GOOD, *story[:2])))
        together.handle(batch(on(GOOD, story[2], first=2)))
        first.handle(batch(on(GOOD, *story[3:], first=3)))
    assert at(tables) == everywhere(6)
    assert len(committed) == 2  # for all together: none was left behind, and saw only then what the other wrote


def test_rows_of_a_table_that_has_been_replaced_are_loaded_from_the_new_one(
    tables: Addresses, together: JointProjection
) -> None:
    story = messages(STORY)
    together.handle(batch(on(GOOD, *story[:2])))
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        rebuilt.begin(cur, REBUILT["details"], "this release")
        rebuilt.switch(cur, REBUILT["details"], "this release", 8)
        rebuilt.drop_tables(cur, REBUILT["details"], rebuilt.OLD)
    together.handle(batch(on(GOOD, *story[2:], first=2)))
    assert at(tables) == everywhere(6, details=2)  # the first events are not in the new table
