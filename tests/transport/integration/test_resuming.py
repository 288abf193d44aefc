"""Positions are only good for the log they were taken from."""

import asyncio
from typing import Any

import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from redletter import consumer_positions as commands
from tests.support.waiting import WITHIN
from tests.transport.support.writing import GROUP, TOPIC, Writing, consuming, publish, until
from transport import positions, resuming
from transport.addresses import Addresses
from transport.clients.kafka import topic_reader
from transport.clients.stepping_consumer import SteppingConsumer
from transport.partition_logs import PartitionLog, partition_logs
from transport.positions import Move
from transport.resuming import Places

VALUES = [f"value-{index}" for index in range(400)]


@pytest.fixture
async def kafka(addresses: Addresses) -> Any:
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    yield admin
    await admin.close()


async def recreate(kafka: AIOKafkaAdminClient, partitions: int = 8) -> None:
    await kafka.delete_topics([TOPIC])
    async with asyncio.timeout(WITHIN):
        while True:
            answer: Any = await kafka.create_topics([NewTopic(TOPIC, partitions, 1)])
            if not answer.topic_errors[0][1]:
                return
            await asyncio.sleep(0.1)


def row(addresses: Addresses, partition: int) -> tuple[int, str | None, int]:
    """Return next, unread and gone."""
    with psycopg.connect(addresses.database) as connection:
        query = "select next, unread, gone from redletter.positions where consumer = %s and partition = %s"
        found = connection.execute(query, (GROUP, partition)).fetchone()
    return found or (-1, None, 0)


async def reset(addresses: Addresses, partition: int, next_: int) -> None:
    """Set the consumer's positions on purpose."""
    planned = await asyncio.to_thread(commands.plan_reset, addresses, GROUP, TopicPartition(TOPIC, partition), next_)
    await asyncio.to_thread(commands.carry_out, addresses, planned)


async def test_a_recreated_topic_is_not_read_before_its_position_is_set_on_purpose(
    addresses: Addresses, kafka: AIOKafkaAdminClient
) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:100], 0)
    async with consuming(addresses, work):
        await until(lambda: len(work.seen()) == 100)
    await recreate(kafka)
    await publish(addresses, VALUES[100:300], 0)
    await publish(addresses, VALUES[300:], 1)
    async with consuming(addresses, work):
        await until(lambda: work.seen(1) == VALUES[300:])
        await until(lambda: row(addresses, 0)[1] is not None)
        assert row(addresses, 0)[:2] == (
            100,
            "the topic was deleted and recreated; position 100 counts in the one before",
        )
        assert work.seen(0) == VALUES[:100]
        await reset(addresses, 0, 0)
        await until(lambda: len(work.seen(0)) == 300)
    assert work.seen(0) == VALUES[:300]
    assert row(addresses, 0) == (200, None, 0)


async def test_a_topic_recreated_under_a_running_reader_is_noticed(
    addresses: Addresses, kafka: AIOKafkaAdminClient
) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:20], 0)
    async with consuming(addresses, work):
        await until(lambda: row(addresses, 0)[0] == 20)
        await recreate(kafka)
        await until(lambda: row(addresses, 0)[1] is not None)


async def test_what_was_deleted_before_it_was_read_is_counted(addresses: Addresses, kafka: AIOKafkaAdminClient) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:10], 0)
    async with consuming(addresses, work):
        await until(lambda: row(addresses, 0)[0] == 10)
    await publish(addresses, VALUES[10:50], 0)
    await kafka.delete_records({TopicPartition(TOPIC, 0): RecordsToDelete(before_offset=30)})
    async with consuming(addresses, work):
        await until(lambda: len(work.seen()) == 30)
    assert work.seen() == [*VALUES[:10], *VALUES[30:50]]
    assert row(addresses, 0) == (50, None, 20)


async def test_what_is_deleted_under_a_running_reader_is_counted(
    addresses: Addresses, kafka: AIOKafkaAdminClient
) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:10], 0)
    async with consuming(addresses, work):
        await until(lambda: row(addresses, 0)[0] == 10)
        await reset(addresses, 0, 0)
        await kafka.delete_records({TopicPartition(TOPIC, 0): RecordsToDelete(before_offset=5)})
        await until(lambda: row(addresses, 0)[0] == 10 and len(work.seen()) > 10)
    assert work.seen()[10:] in (VALUES[:10], VALUES[5:10])


async def test_a_partition_whose_position_was_set_is_read_from_there_without_a_restart(addresses: Addresses) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:10], 0)
    async with consuming(addresses, work):
        await until(lambda: row(addresses, 0)[0] == 10)
        await reset(addresses, 0, 7)
        await until(lambda: len(work.seen()) == 13)
    assert work.seen() == [*VALUES[:10], *VALUES[7:10]]


async def test_a_position_that_others_moved_while_the_log_was_looked_at_does_not_lie_beyond_its_end(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = TopicPartition(TOPIC, 0)

    async def overtaken(consumer: SteppingConsumer, asked: Any) -> list[PartitionLog]:
        logs = await partition_logs(consumer, asked)
        await publish(addresses, VALUES[10:20], 0)
        with psycopg.connect(addresses.database) as connection:
            positions.advance(connection.cursor(), GROUP, [Move(*partition, was=10, next=20)])
        return logs

    await publish(addresses, VALUES[:10], 0)
    with psycopg.connect(addresses.database) as connection:
        positions.stored(connection.cursor(), GROUP, [partition])
        positions.advance(connection.cursor(), GROUP, [Move(*partition, was=0, next=10)])
    monkeypatch.setattr(resuming, "partition_logs", overtaken)
    places = Places(GROUP, addresses.database)
    async with topic_reader(addresses.kafka, "tests") as consumer:
        placed = await places.ask(consumer, [partition])
    await places.close()
    assert placed.offsets == {partition: 20}
    assert row(addresses, 0) == (20, None, 0)
