"""Positioned reading loses nothing, repeats nothing, and stops for nothing."""

from typing import Any

import psycopg
import pytest
from aiokafka import TopicPartition

from tests.support.undecodable import publish_undecodable
from tests.transport.support.writing import GROUP, TOPIC, Writing, consuming, publish, until
from transport import group_reading
from transport.addresses import Addresses
from transport.batch import Batch, PartitionsStopped
from transport.positions import Move, Placement, PositionLost, advance, stored
from transport.resuming import Places

VALUES = [f"value-{index}" for index in range(200)]


async def test_records_are_handled_once_and_in_order_over_restarts(addresses: Addresses) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:100])
    async with consuming(addresses, work, max_records=7):
        await until(lambda: len(work.seen()) >= 100)
    await publish(addresses, VALUES[100:])
    async with consuming(addresses, work, max_records=7):
        await until(lambda: len(work.seen()) >= 200)
    assert work.seen() == VALUES


async def test_a_failing_store_loses_nothing(addresses: Addresses) -> None:
    work = Writing(addresses.database)
    work.fail = [psycopg.OperationalError("the store is away")] * 3
    await publish(addresses, VALUES)
    async with consuming(addresses, work, max_records=50):
        await until(lambda: len(work.seen()) >= len(VALUES))
    assert work.seen() == VALUES


async def test_a_partition_that_stops_stops_alone_and_is_tried_again(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_reading, "RETRY_SECONDS", 0.2)
    tried: list[int] = []

    class Stopping(Writing):
        def handle(self, batch: Batch) -> None:
            stopped = [one for one in batch.partitions() if one.partition == 0 and len(tried) < 3]
            if continuing := set(batch.partitions()) - set(stopped):
                super().handle(batch.of(continuing))
            if stopped:
                tried.append(batch.of(stopped).moves[0].was)
                raise PartitionsStopped(stopped)

    work = Stopping(addresses.database)
    await publish(addresses, VALUES[:10])
    async with consuming(addresses, work):
        await until(lambda: bool(tried))
        await publish(addresses, VALUES[:100], 3)
        await publish(addresses, VALUES[10:100])
        await until(lambda: len(work.seen()) >= 200)
    assert tried == [0, 0, 0]
    assert work.seen(0) == work.seen(3) == VALUES[:100]


async def test_an_undecodable_record_is_stepped_over_and_its_neighbours_are_kept(addresses: Addresses) -> None:
    work = Writing(addresses.database)
    for partition in (0, 3):
        await publish(addresses, VALUES[:10], partition)
        await publish_undecodable(addresses.kafka, TOPIC, partition)
        await publish_undecodable(addresses.kafka, TOPIC, partition)
        await publish(addresses, VALUES[10:20], partition)
    async with consuming(addresses, work, max_records=4):
        await until(lambda: len(work.seen()) >= 44)
    for partition in (0, 3):
        assert work.seen(partition) == [*VALUES[:10], "undecodable", "undecodable", *VALUES[10:20]]


async def test_a_batch_is_dropped_and_read_again_when_somebody_else_moved_its_position(addresses: Addresses) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:10])

    def another_worker_was_quicker() -> None:
        work.before = lambda: None
        with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
            advance(cur, GROUP, [Move(TOPIC, 0, was=0, next=4)])

    work.before = another_worker_was_quicker
    async with consuming(addresses, work):
        await until(lambda: len(work.seen()) >= 6)
    assert work.seen() == VALUES[4:10]


async def test_a_lost_position_in_one_partition_loses_no_record_of_another(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positions are not known again at once: the store is away at that very moment."""
    work = Writing(addresses.database)
    for partition in range(4):
        await publish(addresses, VALUES[:50], partition)
    work.fail = [PositionLost(GROUP)]
    ask, failures = Places.ask, [psycopg.OperationalError("away")] * 2

    async def away_for_a_while(*args: Any) -> Placement:
        if not work.fail and failures:
            raise failures.pop()
        return await ask(*args)

    monkeypatch.setattr(Places, "ask", away_for_a_while)
    async with consuming(addresses, work, max_records=30):
        await until(lambda: len(work.seen()) >= 200)
    for partition in range(4):
        assert work.seen(partition) == VALUES[:50]


async def test_two_members_share_the_partitions_and_one_takes_all_when_the_other_leaves(addresses: Addresses) -> None:
    work = Writing(addresses.database)
    async with consuming(addresses, work):
        async with consuming(addresses, work):
            for partition in range(8):
                await publish(addresses, VALUES[:20], partition)
            await until(lambda: len(work.seen()) >= 160)
        for partition in range(8):
            await publish(addresses, VALUES[20:40], partition)
        await until(lambda: len(work.seen()) >= 320)
    for partition in range(8):
        assert work.seen(partition) == VALUES[:40]


def test_positions_move_only_from_where_they_were_read(addresses: Addresses) -> None:
    with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
        stored(cur, GROUP, [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)])
        advance(cur, GROUP, [Move(TOPIC, 0, 0, 5), Move(TOPIC, 1, 0, 7)])
        with pytest.raises(PositionLost):
            advance(cur, GROUP, [Move(TOPIC, 0, 5, 9), Move(TOPIC, 1, 0, 9)])
