"""The relay publishes the log in order, exactly once, and never half a command."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.topics import DEAD_LETTERS, EVENTS, RELAY, REPLIES
from service import relay
from service.relay import LogRow, PositionMissing, message, whole_commands
from service.store import Store
from tests.faults.evidence import assert_no_gap_and_no_duplicate, everything, headers
from tests.service.rows import AT, dead_letter, event, reply, save
from transport.addresses import Addresses
from transport.message import Message
from transport.producer import TransactionalProducer

NUMBERS = [f"26{index:018d}" for index in range(1, 6)]


def row(position: int, *, ends: bool, kind: str = "event") -> LogRow:
    told = ("name", "id", "subject", AT, "causation", "correlation", None, 1)
    return LogRow(position, ends, kind, b"key", b"value", *told, None, None)


@given(st.lists(st.booleans(), max_size=30))
def test_a_transaction_ends_where_a_command_ends(ends: list[bool]) -> None:
    rows = [row(index, ends=end) for index, end in enumerate(ends)]
    kept = whole_commands(rows)
    assert list(kept) == rows[: len(kept)]
    assert not kept or kept[-1].ends
    assert not any(left.ends for left in rows[len(kept) :])


def test_an_event_carries_its_version_and_an_id_of_its_own() -> None:
    published = message(row(1, ends=False))
    told = dict(published.headers)
    assert (published.topic, published.key, published.value) == (EVENTS, b"key", b"value")
    assert (told["ce_invoiceversion"], told["ce_id"]) == (b"1", b"subject-1")
    assert told["ce_type"] == b"redletter.invoice.name"


@pytest.fixture
def store(addresses: Addresses) -> Iterator[Store]:
    store = Store(addresses.database)
    yield store
    store.close()


@asynccontextmanager
async def relaying(addresses: Addresses) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(relay.run(addresses))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await look():
            await asyncio.sleep(0.1)


def published(addresses: Addresses, topic: str, count: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(await everything(addresses.kafka, topic)) >= count

    return look


@pytest.mark.integration
async def test_everything_is_published_once_and_in_order_over_restarts(addresses: Addresses, store: Store) -> None:
    versions = itertools.count(1)
    for rounds in range(1, 4):
        for version in itertools.islice(versions, 20):
            save(store, [row for n in NUMBERS for row in (event(n, version), reply(n, f"{n}-{version}"))])
        async with relaying(addresses):
            await until(published(addresses, REPLIES, rounds * 20 * len(NUMBERS)))
    events = await everything(addresses.kafka, EVENTS)
    assert_no_gap_and_no_duplicate(events)
    assert len(events) == 60 * len(NUMBERS)
    replies = [headers(record)["ce_id"] for record in await everything(addresses.kafka, REPLIES)]
    assert len(replies) == len(set(replies)) == 60 * len(NUMBERS)


@pytest.mark.integration
async def test_an_event_is_not_published_before_its_reply_is_there(addresses: Addresses, store: Store) -> None:
    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1"), event(NUMBERS[1], 1)])
    async with relaying(addresses):
        await until(published(addresses, EVENTS, 1))
        save(store, [reply(NUMBERS[1], "2")])
        await until(published(addresses, EVENTS, 2))
    assert len(await everything(addresses.kafka, REPLIES)) == 2


@pytest.mark.integration
async def test_a_dead_letter_is_published_byte_for_byte(addresses: Addresses, store: Store) -> None:
    save(store, [dead_letter(answered=True), reply(NUMBERS[0], "1"), dead_letter(answered=False, value=None, key=None)])
    async with relaying(addresses):
        await until(published(addresses, DEAD_LETTERS, 2))
    for record in await everything(addresses.kafka, DEAD_LETTERS):
        assert (record.key, record.value) in {(b"key", b"\xff"), (None, None)}
        assert record.headers[:2] == (("name", b"\xff"), ("null", None))
        told = dict(record.headers[2:])
        assert (told["dl_reason"], told["dl_partition"], told["dl_offset"]) == (b"MALFORMED_COMMAND", b"3", b"7")
        assert (told["dl_topic"], told["dl_error"]) == (b"invoice.commands.tax", b"data: bad")


@pytest.mark.integration
async def test_a_second_relay_stands_by_until_the_first_ends(addresses: Addresses, store: Store) -> None:
    async with relaying(addresses) as first:
        save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])
        await until(published(addresses, EVENTS, 1))
        async with relaying(addresses) as second:
            save(store, [event(NUMBERS[0], 2), reply(NUMBERS[0], "2")])
            await until(published(addresses, EVENTS, 2))
            assert not second.done()
            first.cancel()
            save(store, [event(NUMBERS[0], 3), reply(NUMBERS[0], "3")])
            await until(published(addresses, EVENTS, 3))
    assert_no_gap_and_no_duplicate(await everything(addresses.kafka, EVENTS))


@pytest.mark.integration
async def test_a_relay_that_does_not_know_where_it_stands_publishes_nothing(addresses: Addresses, store: Store) -> None:
    producer = TransactionalProducer(addresses.kafka, "tests.relay")
    await producer.start()
    await producer.publish([Message(EVENTS, b"key", b"published before", [])])
    await producer.stop()
    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])
    with pytest.raises(PositionMissing, match="holds no position although messages were published"):
        await asyncio.wait_for(relay.run(addresses), 30)


@pytest.mark.integration
async def test_a_log_that_ends_before_the_relays_position_is_another_database(addresses: Addresses) -> None:
    producer = TransactionalProducer(addresses.kafka, "tests.relay")
    await producer.start()
    await producer.publish([Message(RELAY, b"relay", json.dumps({"position": 99}).encode(), [], 0)])
    await producer.stop()
    with pytest.raises(PositionMissing, match="another database"):
        await asyncio.wait_for(relay.run(addresses), 30)


@pytest.mark.integration
async def test_the_relay_goes_on_when_its_session_with_the_store_was_cut(addresses: Addresses, store: Store) -> None:
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'redletter relay'"
    async with relaying(addresses):
        save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])
        await until(published(addresses, EVENTS, 1))
        with psycopg.connect(addresses.database, autocommit=True) as connection:
            connection.execute(cut)
        save(store, [event(NUMBERS[0], 2), reply(NUMBERS[0], "2")])
        await until(published(addresses, EVENTS, 2))
    assert_no_gap_and_no_duplicate(await everything(addresses.kafka, EVENTS))
