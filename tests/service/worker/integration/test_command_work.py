"""A batch is decided and written whole; rivals get an answer; one fault costs one record."""

import json
from collections.abc import Mapping
from dataclasses import replace

import psycopg
import pytest
from aiokafka import TopicPartition

from service.log.entries import ReplyEntry
from service.store.event_store import Store
from service.store.write import Write
from service.worker.work import CommandWork
from tests.service.support.batches import TOPIC, batch, buried, codes, register
from tests.service.support.records import MOMENTS
from tests.support.fresh_system import PARTITIONS
from transport.batch import Batch, PartitionsStopped
from transport.partitioning import partition_of
from transport.positions import PositionLost


def test_a_batch_is_written_whole_and_the_position_moves_with_it(store: Store, database: str) -> None:
    CommandWork(store, MOMENTS).handle(batch(register(1), register(2), register(3)))
    assert codes(database) == ["accepted"] * 3
    assert store.positions([TopicPartition(TOPIC, 0)]) == {TopicPartition(TOPIC, 0): 3}


def test_only_the_partitions_whose_records_lead_to_a_stopped_partition_of_the_log_are_left(
    store: Store, database: str
) -> None:
    """The first record of one such partition leads elsewhere; it is left too, since offsets are a single step."""
    stopped, other = home(1), next(index for index in range(2, 20) if home(index) != home(1))
    store.positions([TopicPartition(TOPIC, 1)])
    with psycopg.connect(database) as connection:
        connection.execute("update redletter.log_partitions set stopped = 'it differs' where partition = %s", [stopped])
    mixed = [register(other, "a"), replace(register(1), offset=1), replace(register(other), partition=1)]
    with pytest.raises(PartitionsStopped) as raised:
        CommandWork(store, MOMENTS).handle(Batch(mixed, {TopicPartition(TOPIC, 0): 0, TopicPartition(TOPIC, 1): 0}))
    assert raised.value.partitions == {TopicPartition(TOPIC, 0)}
    assert codes(database) == ["accepted"]
    assert set(store.positions([TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)]).values()) == {0, 1}


def home(index: int) -> int:
    """Return the partition of the log that the events of an invoice lie in."""
    return partition_of(register(index).key, 0, PARTITIONS)


def test_a_batch_that_is_handled_again_changes_nothing(store: Store, database: str) -> None:
    deciding = CommandWork(store, MOMENTS)
    deciding.handle(batch(register(1)))
    with pytest.raises(PositionLost):
        deciding.handle(batch(register(1)))
    assert codes(database) == ["accepted"]


def test_the_same_command_in_a_later_batch_gets_the_first_reply_again(store: Store, database: str) -> None:
    deciding = CommandWork(store, MOMENTS)
    deciding.handle(batch(register(1)))
    deciding.handle(batch(register(1), was=1))
    with psycopg.connect(database) as connection:
        rows = connection.execute("select value from redletter.replies order by subject, partition, place").fetchall()
    first, again = (json.loads(value) for (value,) in rows)
    assert again == first | {"replayed": True}


def test_of_two_batches_that_take_the_same_charge_one_wins_and_one_is_refused(store: Store, database: str) -> None:
    """The rival writes after ours was decided and before it is written."""
    rival = Store(database)
    rival.positions([TopicPartition(TOPIC, 1)])
    save = store.save

    def save_after_the_rival(write: Write) -> Mapping[int, int]:
        store.save = save
        CommandWork(rival, MOMENTS).handle(
            Batch([replace(register(2, "shared"), partition=1)], {TopicPartition(TOPIC, 1): 0})
        )
        return save(write)

    store.save = save_after_the_rival
    CommandWork(store, MOMENTS).handle(batch(register(1, "shared")))
    rival.close()
    assert codes(database) == ["CHARGE_ALREADY_INVOICED", "accepted"]


def test_a_fault_in_writing_parks_the_invoice_that_causes_it_and_no_other(store: Store, database: str) -> None:
    save = store.save

    def refuse_the_fourth(write: Write) -> Mapping[int, int]:
        accepted = [json.loads(row.value) for row in write.entries if isinstance(row, ReplyEntry)]
        if any(reply.get("command_id") == "id-4" and "code" not in reply for reply in accepted):
            raise psycopg.DataError("what the store will never take")
        return save(write)

    store.save = refuse_the_fourth
    CommandWork(store, MOMENTS).handle(batch(*(register(index, offset=index - 1) for index in range(1, 8))))
    assert codes(database) == ["accepted"] * 6
    assert buried(database) == []
    (parked,) = store.parked()
    assert (parked.invoice_number, parked.commands) == (f"26{4:018d}", 1)
    assert "what the store will never take" in parked.error
    assert store.positions([TopicPartition(TOPIC, 0)]) == {TopicPartition(TOPIC, 0): 7}
