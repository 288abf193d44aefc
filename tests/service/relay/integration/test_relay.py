"""The relay publishes the log in order, exactly once, and never half a command."""

import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence

import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs
from structlog.typing import EventDict

from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, RELAY_TOPIC, REPLIES_TOPIC
from service import relay
from service.store.event_store import Store
from service.store.log_reader import LogPosition
from tests.faults.support.evidence import assert_no_gap_and_no_duplicate, everything, headers
from tests.service.support.rows import dead_letter, event, log_row, notice, reply, save
from tests.support.fresh_system import PARTITIONS
from tests.support.tasks import running
from tests.support.waiting import until
from transport.addresses import Addresses
from transport.clients import kafka as clients
from transport.partitioning import partition_of
from transport.producer import TransactionalProducer
from transport.records import OutgoingRecord

NUMBERS = [f"26{index:018d}" for index in range(1, 6)]


def home(number: str) -> int:
    """Return the partition of an invoice."""
    return partition_of(number.encode(), 0, PARTITIONS)


def published(addresses: Addresses, topic: str, count: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(await everything(addresses.kafka, topic)) >= count

    return look


@pytest.fixture
def store(addresses: Addresses) -> Iterator[Store]:
    store = Store(addresses.database)
    yield store
    store.close()


async def test_everything_is_published_once_and_in_order_over_restarts(addresses: Addresses, store: Store) -> None:
    versions = itertools.count(1)
    for rounds in range(1, 4):
        for version in itertools.islice(versions, 20):
            save(store, [row for n in NUMBERS for row in (event(n, version), reply(n, f"{n}-{version}"))])
        async with running(relay.run(addresses)):
            await until(published(addresses, REPLIES_TOPIC, rounds * 20 * len(NUMBERS)))
    events = await everything(addresses.kafka, EVENTS_TOPIC)
    assert_no_gap_and_no_duplicate(events)
    assert len(events) == 60 * len(NUMBERS)
    replies = [headers(record)["ce_id"] for record in await everything(addresses.kafka, REPLIES_TOPIC)]
    assert len(replies) == len(set(replies)) == 60 * len(NUMBERS)


async def test_half_a_command_is_never_published_but_stops_its_partition(addresses: Addresses, store: Store) -> None:
    """The worker writes an event and its reply at once; one without the other is a log that has lost something."""
    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1"), event(NUMBERS[0], 2)])
    with capture_logs() as logs:
        async with running(relay.run(addresses)):
            await until(lambda: _stopped_first(logs, NUMBERS[0]))
    assert len(await everything(addresses.kafka, EVENTS_TOPIC)) == 1
    assert len(await everything(addresses.kafka, REPLIES_TOPIC)) == 1


@pytest.mark.parametrize(("refusing", "other"), [(REPLIES_TOPIC, EVENTS_TOPIC), (EVENTS_TOPIC, REPLIES_TOPIC)])
async def test_neither_an_event_nor_its_reply_is_visible_before_kafka_has_both(
    addresses: Addresses, store: Store, refusing: str, other: str
) -> None:
    await configure(addresses, refusing, "max.message.bytes", 100)  # a marker is smaller, a message is not
    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])

    async def one_is_written_and_one_refused() -> bool:
        refused = any(log["event"] == "batch_too_large" for log in logs)
        return refused and await written(addresses, other) > 0

    with capture_logs() as logs:
        async with running(relay.run(addresses)):
            await until(one_is_written_and_one_refused)
            assert await everything(addresses.kafka, other) == []
            await configure(addresses, refusing, "max.message.bytes", 1 << 20)
            await until(published(addresses, refusing, 1))
            await until(published(addresses, other, 1))


async def written(addresses: Addresses, topic: str) -> int:
    """Return how many records, committed or not, the first invoice's partition holds."""
    partition = TopicPartition(topic, home(NUMBERS[0]))
    async with clients.running(clients.make_consumer(addresses.kafka, "tests", isolation="read_uncommitted")) as reader:
        return (await reader.end_offsets([partition]))[partition]


async def test_a_dead_letter_is_published_byte_for_byte(addresses: Addresses, store: Store) -> None:
    answer = reply(NUMBERS[0], "1", key=b"key")
    save(store, [dead_letter(answered=True), answer, dead_letter(answered=False, value=None, key=None)])
    async with running(relay.run(addresses)):
        await until(published(addresses, DEAD_LETTERS_TOPIC, 2))
    for record in await everything(addresses.kafka, DEAD_LETTERS_TOPIC):
        assert (record.key, record.value) in {(b"key", b"\xff"), (None, None)}
        assert record.headers[:2] == (("name", b"\xff"), ("null", None))
        headers = dict(record.headers[2:])
        assert headers["dl_reason"] == b"MALFORMED_COMMAND"
        assert (headers["dl_partition"], headers["dl_offset"]) == (b"3", b"7")
        assert (headers["dl_topic"], headers["dl_error"]) == (b"invoice.commands.tax", b"data: bad")


async def test_two_relays_share_the_partitions_and_one_takes_all_when_the_other_ends(
    addresses: Addresses, store: Store
) -> None:
    with capture_logs() as logs:

        async def shared(*counts: int) -> None:
            """Wait until the last assignments are of so many partitions, and each partition has been taken after it."""
            wanted = list(counts)
            await until(lambda: _is([log["partitions"] for log in logs if "partitions" in log][-len(wanted) :], wanted))
            await until(lambda: _is(sorted(taken()), list(range(PARTITIONS))))
            logs.clear()

        def taken() -> list[int]:
            """Return the partitions in which a relay has begun."""
            return [log["partition"] for log in logs if log["event"] == "relay_resumed"]

        async with running(relay.run(addresses)) as first:
            await shared(PARTITIONS)
            save(store, [row for number in NUMBERS for row in (event(number, 1), reply(number, f"{number}-1"))])
            async with running(relay.run(addresses)):
                await shared(PARTITIONS // 2, PARTITIONS // 2)
                save(store, [row for number in NUMBERS for row in (event(number, 2), reply(number, f"{number}-2"))])
                await until(published(addresses, EVENTS_TOPIC, 2 * len(NUMBERS)))
                first.cancel()
                await shared(PARTITIONS)
                save(store, [row for number in NUMBERS for row in (event(number, 3), reply(number, f"{number}-3"))])
                await until(published(addresses, EVENTS_TOPIC, 3 * len(NUMBERS)))
    assert_no_gap_and_no_duplicate(await everything(addresses.kafka, EVENTS_TOPIC))


async def _stopped_first(logs: Sequence[EventDict], number: str) -> bool:
    """Return whether the first partition whose publication stopped is that of an invoice."""
    stopped = [log["partition"] for log in logs if log["event"] == "publication_stopped"]
    return stopped[:1] == [home(number)]


async def _is(found: list[int], wanted: list[int]) -> bool:
    return found == wanted


async def publish(addresses: Addresses, *messages: OutgoingRecord) -> None:
    """Publish in one transaction, as a relay before did."""
    producer = TransactionalProducer(addresses.kafka, "tests.relay")
    await producer.start()
    await producer.publish(messages)
    await producer.stop()


async def assert_stops(addresses: Addresses, store: Store, why: str) -> None:
    """The partition of the first invoice is not published, loudly; another one is."""
    healthy = next(number for number in NUMBERS if home(number) != home(NUMBERS[0]))
    before = len(await everything(addresses.kafka, EVENTS_TOPIC))
    save(store, [event(NUMBERS[0], 2), reply(NUMBERS[0], "2"), event(healthy, 1), reply(healthy, "1")])
    with capture_logs() as logs:
        async with running(relay.run(addresses)):
            await until(published(addresses, EVENTS_TOPIC, before + 1))
            await until(
                lambda: _is([home(NUMBERS[0])], [log["partition"] for log in logs if why in log.get("why", "")][:1])
            )
    keys = [record.key for record in (await everything(addresses.kafka, EVENTS_TOPIC))]
    assert keys.count(healthy.encode()) == 1
    assert NUMBERS[0].encode() not in keys


async def test_a_partition_whose_position_is_gone_is_not_published_and_the_others_are(
    addresses: Addresses, store: Store
) -> None:
    await publish(
        addresses, OutgoingRecord(EVENTS_TOPIC, b"key", b"before", [("ce_invoiceversion", b"1")], home(NUMBERS[0]))
    )
    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])
    await assert_stops(addresses, store, "holds no position although messages were published")


@pytest.mark.parametrize("place", [2, 99])
async def test_a_log_without_the_entry_that_was_published_last_is_another_one(
    addresses: Addresses, store: Store, place: int
) -> None:
    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])
    position = LogPosition(place, log_row(place, ends=True).identity)
    await publish(addresses, OutgoingRecord(RELAY_TOPIC, b"relay", position.write(), [], home(NUMBERS[0])))
    await assert_stops(addresses, store, f"does not hold at {place} what was published from there")


async def test_a_log_that_loses_its_last_entries_while_the_relay_runs_is_noticed(
    addresses: Addresses, store: Store
) -> None:
    async with running(relay.run(addresses)):
        save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1"), event(NUMBERS[0], 2), reply(NUMBERS[0], "2")])
        await until(published(addresses, EVENTS_TOPIC, 2))
        with capture_logs() as logs:
            with psycopg.connect(addresses.database, autocommit=True) as connection:
                connection.execute("delete from redletter.replies where place = 4")
            save(store, [event(NUMBERS[0], 3), reply(NUMBERS[0], "3")])
            await until(lambda: _stopped_first(logs, NUMBERS[0]))
    assert len(await everything(addresses.kafka, EVENTS_TOPIC)) == 2


async def test_a_log_without_the_entries_that_it_counts_is_not_taken_for_one_that_is_published(
    addresses: Addresses, store: Store
) -> None:
    why = "nothing behind 2, but was written up to 5000"
    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])
    with psycopg.connect(addresses.database, autocommit=True) as connection:
        connection.execute(
            "update redletter.log_partitions set last_place = 5000 where partition = %s", [home(NUMBERS[0])]
        )
    with capture_logs() as logs:
        async with running(relay.run(addresses)):
            await until(
                lambda: _is([home(NUMBERS[0])], [log["partition"] for log in logs if why in log.get("why", "")][:1])
            )


async def test_the_relay_resumes_after_its_session_with_the_store_was_cut(addresses: Addresses, store: Store) -> None:
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'redletter relay'"
    async with running(relay.run(addresses)):
        save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1")])
        await until(published(addresses, EVENTS_TOPIC, 1))
        with psycopg.connect(addresses.database, autocommit=True) as connection:
            connection.execute(cut)
        save(store, [event(NUMBERS[0], 2), reply(NUMBERS[0], "2")])
        await until(published(addresses, EVENTS_TOPIC, 2))
    assert_no_gap_and_no_duplicate(await everything(addresses.kafka, EVENTS_TOPIC))


async def test_what_is_not_published_yet_is_counted_until_it_is(addresses: Addresses, store: Store) -> None:
    def waiting() -> list[tuple[int, int, bool]]:
        query = "select partition, entries, oldest <= now() from redletter.unpublished where entries > 0 order by 1"
        with psycopg.connect(addresses.database) as connection:
            return connection.execute(query).fetchall()

    async def nothing() -> bool:
        return not waiting()

    save(store, [event(NUMBERS[0], 1), reply(NUMBERS[0], "1"), dead_letter(answered=False, key=None)])
    save(store, [notice(NUMBERS[1], "parked", answered=False)])
    assert waiting() == sorted([(home(NUMBERS[0]), 2, True), (home(NUMBERS[1]), 1, True), (3, 1, True)])
    async with running(relay.run(addresses)):
        await until(nothing)


async def configure(addresses: Addresses, topic: str, name: str, value: int) -> None:
    """Set an option of a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: str(value)})])
    await admin.close()


async def test_a_stand_in_is_published_for_what_kafka_refuses_and_everything_else_as_it_is(
    addresses: Addresses, store: Store
) -> None:
    await configure(addresses, REPLIES_TOPIC, "max.message.bytes", 100_000)
    sizes = [0, 200_000, 0, 0, 99_000, 0, 200_000, 0]
    for version, size in enumerate(sizes, start=1):
        save(store, [event(NUMBERS[0], version), reply(NUMBERS[0], str(version), padding=size)])
    with capture_logs() as logs:
        async with running(relay.run(addresses)):
            await until(published(addresses, REPLIES_TOPIC, len(sizes)))
    replies = await everything(addresses.kafka, REPLIES_TOPIC)
    assert [headers(record)["ce_id"] for record in replies] == [str(version) for version in range(1, len(sizes) + 1)]
    assert [record.value is None for record in replies] == [size > 100_000 for size in sizes]
    stand_in = headers(replies[1])
    assert (stand_in["dl_reason"], int(stand_in["dl_size"]) > 200_000) == ("TOO_LARGE", True)
    assert (stand_in["ce_causationid"], len(stand_in["dl_sha256"])) == ("command", 64)
    assert [log["place"] for log in logs if log["log_level"] == "error"] == [4, 14]
    assert_no_gap_and_no_duplicate(await everything(addresses.kafka, EVENTS_TOPIC))


async def test_a_notice_that_a_reply_follows_is_never_published_without_it(addresses: Addresses, store: Store) -> None:
    number = NUMBERS[0]
    save(store, [notice(number, "parked", answered=False), notice(number, "released", answered=True)])
    with capture_logs() as logs:
        async with running(relay.run(addresses)):
            await until(lambda: _stopped_first(logs, number))
    assert [headers(record)["ce_id"] for record in await everything(addresses.kafka, PARKED_TOPIC)] == ["parked"]


async def test_notices_are_published_in_the_partition_of_their_invoice(addresses: Addresses, store: Store) -> None:
    number = NUMBERS[0]
    save(store, [notice(number, "parked", answered=False)])
    save(store, [notice(number, "released", answered=True), event(number, 1), reply(number, "1")])
    async with running(relay.run(addresses)):
        await until(published(addresses, PARKED_TOPIC, 2))
    notices = await everything(addresses.kafka, PARKED_TOPIC)
    assert [headers(record)["ce_id"] for record in notices] == ["parked", "released"]
    assert {(record.key, record.partition) for record in notices} == {(number.encode(), home(number))}
    assert headers(notices[0])["ce_type"] == "redletter.invoice.CommandReleased.v1"


async def test_a_command_larger_than_one_reading_is_fetched_alone_and_not_taken_for_no_news(
    addresses: Addresses, store: Store
) -> None:
    large = dead_letter(answered=True, value=b"x" * (5 << 20))
    save(store, [large, reply(NUMBERS[0], "1", key=b"key"), dead_letter(answered=False)])
    async with running(relay.run(addresses)):
        await until(published(addresses, DEAD_LETTERS_TOPIC, 2))
    first, second = await everything(addresses.kafka, DEAD_LETTERS_TOPIC)
    assert (first.value, headers(first)["dl_reason"], headers(first)["dl_size"]) == (None, "TOO_LARGE", str(5 << 20))
    assert second.value == b"\xff"
    assert len(await everything(addresses.kafka, REPLIES_TOPIC)) == 1
