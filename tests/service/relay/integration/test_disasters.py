"""A store that comes back older than the other: nothing is decided or published until the newer copy is back."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from structlog.testing import capture_logs
from structlog.typing import EventDict

from events.topics import EVENTS_TOPIC, RELAY_TOPIC, REPLIES_TOPIC
from redletter import checkup
from rules.calendar import MAINLAND_CHINA
from service import relay
from service.store.event_store import Store
from service.worker import role as worker
from tests.faults.support.evidence import assert_no_gap_and_no_duplicate, everything, headers
from tests.service.support.backups import back_up, drop, restore
from tests.service.support.batches import TOPIC, register
from tests.service.support.records import POLICY
from tests.service.support.rows import event, reply, save
from tests.support.fresh_system import PARTITIONS, empty_topics
from tests.support.tasks import running
from tests.support.waiting import until
from transport.addresses import Addresses
from transport.partitioning import partition_of
from transport.producer import TransactionalProducer
from transport.records import OutgoingRecord

BEFORE, LOST, AFTER = range(20), range(20, 40), range(40, 60)
"""Invoices that are registered before the backup, after it, and once it is restored."""


@asynccontextmanager
async def roles(addresses: Addresses, *, publishing: bool = True) -> AsyncGenerator[None]:
    """Run a worker, and a relay, for the length of a block."""
    async with AsyncExitStack() as stack:
        work = worker.run(addresses, clock_shift=timedelta(), policy=POLICY, calendar=MAINLAND_CHINA)
        await stack.enter_async_context(running(work))
        if publishing:
            await stack.enter_async_context(running(relay.run(addresses)))
        yield


async def send(addresses: Addresses, indexes: Iterable[int]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
        for record in map(register, indexes):
            await producer.send_and_wait(TOPIC, record.value, key=record.key, headers=list(record.headers))


async def published(addresses: Addresses, count: int) -> None:
    async def look() -> bool:
        return len(await everything(addresses.kafka, REPLIES_TOPIC)) >= count

    await until(look)


def places(addresses: Addresses) -> dict[int, int]:
    """Return the last place in each partition of the log."""
    with psycopg.connect(addresses.database) as connection:
        return dict(connection.execute("select partition, last_place from redletter.log_partitions").fetchall())


def stops(addresses: Addresses) -> dict[int, str]:
    """Return why partitions of the log are stopped."""
    with psycopg.connect(addresses.database) as connection:
        query = "select partition, stopped from redletter.log_partitions where stopped is not null"
        return dict(connection.execute(query).fetchall())


async def lose_the_last_commits(addresses: Addresses) -> tuple[dict[int, int], str]:
    """Publish what a backup lacks, and restore it. Return the places it has, and the name of the newer database."""
    async with roles(addresses):
        await send(addresses, BEFORE)
        await published(addresses, len(BEFORE))
    then = places(addresses)
    copy = back_up(addresses.database)
    async with roles(addresses):
        await send(addresses, LOST)
        await published(addresses, len(BEFORE) + len(LOST))
    return then, restore(addresses.database, copy)


@pytest.mark.parametrize("publishing", [True, False], ids=["with a relay", "while no relay runs"])
async def test_on_a_database_restored_without_what_was_published_nothing_is_decided(
    addresses: Addresses, publishing: bool
) -> None:
    then, newer = await lose_the_last_commits(addresses)
    lacking = {partition_of(register(index).key, 0, PARTITIONS) for index in LOST}

    async def stopped() -> bool:
        return stops(addresses).keys() == lacking

    with capture_logs() as logs:
        async with roles(addresses, publishing=publishing):
            await send(addresses, AFTER)
            await until(stopped)
            await until(lambda: _logged(logs, "deciding_stopped"))
    assert {place: then[place] for place in lacking} == {place: places(addresses)[place] for place in lacking}
    found = await asyncio.to_thread(checkup.findings, addresses, MAINLAND_CHINA, timedelta())
    assert sum(one.what.startswith("LOG_DIFFERS: partition") for one in found) == len(lacking)
    drop(addresses.database, newer)


async def _logged(logs: Sequence[EventDict], key: str) -> bool:
    return any(log["event"] == key for log in logs)


async def test_everything_resumes_once_the_newer_database_is_back(addresses: Addresses) -> None:
    """The backup is restored and taken away again under roles that run all the time."""
    async with roles(addresses):
        await send(addresses, BEFORE)
        await published(addresses, len(BEFORE))
    copy = back_up(addresses.database)
    with capture_logs() as logs:
        async with roles(addresses):
            await send(addresses, LOST)
            await published(addresses, len(BEFORE) + len(LOST))
            newer = restore(addresses.database, copy)
            await send(addresses, AFTER)
            await until(lambda: _logged(logs, "publication_stopped"))
            older = restore(addresses.database, newer)
            await published(addresses, len(BEFORE) + len(LOST) + len(AFTER))
    events = await everything(addresses.kafka, EVENTS_TOPIC)
    assert_no_gap_and_no_duplicate(events)
    assert len(events) == len(BEFORE) + len(LOST) + len(AFTER)
    replies = [headers(record)["ce_id"] for record in await everything(addresses.kafka, REPLIES_TOPIC)]
    assert len(replies) == len(set(replies)) == len(events)
    assert stops(addresses) == {}
    drop(addresses.database, older)


async def test_topics_that_came_back_without_what_was_published_stop_publication(addresses: Addresses) -> None:
    number = register(1).key or b""
    home = partition_of(number, 0, PARTITIONS)
    store = Store(addresses.database)
    save(store, [event(number.decode(), 1), reply(number.decode(), "1")])
    async with running(relay.run(addresses)):
        await until(lambda: _noted(addresses, home, 2))
    await empty_topics(addresses.kafka)

    async def stopped() -> bool:
        return bool(stops(addresses))

    async with running(relay.run(addresses)):
        await until(stopped)
    (reason,) = stops(addresses).values()
    assert "Kafka lost what was published last" in reason
    assert await everything(addresses.kafka, EVENTS_TOPIC) == []
    store.close()


async def _noted(addresses: Addresses, partition: int, place: int) -> bool:
    with psycopg.connect(addresses.database) as connection:
        query = "select place from redletter.published where partition = %s"
        return connection.execute(query, [partition]).fetchone() == (place,)


async def test_a_stopped_partition_resumes_once_a_relay_finds_it_in_agreement(addresses: Addresses) -> None:
    with psycopg.connect(addresses.database) as connection:
        connection.execute("update redletter.log_partitions set stopped = 'it differs'")

    async def resumed() -> bool:
        return not stops(addresses)

    async with running(relay.run(addresses)):
        await until(resumed)


async def test_a_position_without_the_identity_of_its_entry_is_taken_over(addresses: Addresses) -> None:
    number = register(1).key or b""
    home = partition_of(number, 0, PARTITIONS)
    store = Store(addresses.database)
    save(store, [event(number.decode(), 1), reply(number.decode(), "1")])
    save(store, [event(number.decode(), 2), reply(number.decode(), "2")])
    producer = TransactionalProducer(addresses.kafka, "tests.relay")
    await producer.start()
    await producer.publish([OutgoingRecord(RELAY_TOPIC, b"relay", b'{"position": 2}', [], home)])
    await producer.stop()
    async with running(relay.run(addresses)):
        await published(addresses, 1)
    (record,) = await everything(addresses.kafka, REPLIES_TOPIC)
    assert headers(record)["ce_id"] == "2"
    store.close()
