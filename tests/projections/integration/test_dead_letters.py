"""Dead letters are replayed exactly once, whatever interrupts that, or discarded for a reason."""

import asyncio
import multiprocessing
import os
from collections.abc import Sequence
from datetime import datetime
from signal import SIGKILL
from typing import Any, Literal

import psycopg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from events.topics import DEAD_LETTERS_TOPIC, Channel
from projections.catalogue import MODELS
from projections.dead_letters.handling import delete_old, discard
from projections.dead_letters.queries import DeadLetter, LetterFilter, find_letters
from projections.dead_letters.replaying import REPLAY_RIGHT, Replay, ReplayRunning, replay
from projections.schema import ensure_read_tables
from tests.faults.points.catalogue import Point
from tests.faults.points.launch import arm
from tests.faults.support.evidence import everything
from tests.projections.support.letters import CUSTOMER, bury, letter, project
from transport import positions
from transport.addresses import Addresses
from transport.advisory_lock import exclusive

LETTERS = 10_000 if "REDLETTER_TESTS_SCALE" in os.environ else 250
ALL = LetterFilter()
_FORKS = multiprocessing.get_context("forkserver")


def kept(addresses: Addresses, wanted: LetterFilter = ALL) -> list[DeadLetter]:
    with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
        return find_letters(cur, wanted)


async def sent_again(addresses: Addresses) -> list[tuple[Any, ...]]:
    """Return all records of the customer topic, partition by partition in order."""
    records = sorted(await everything(addresses.kafka, CUSTOMER), key=lambda one: (one.partition, one.offset))
    return [(one.partition, one.key, one.value, tuple(one.headers)) for one in records]


def outcomes(addresses: Addresses) -> list[tuple[int, str, int | None]]:
    return [(one.record_offset, one.outcome, one.replayed_as) for one in kept(addresses)]


async def replay_all(addresses: Addresses) -> Replay:
    return await replay(addresses, ALL, by="ada")


async def test_a_record_is_sent_again_byte_for_byte_to_the_partition_it_came_from(addresses: Addresses) -> None:
    headers = (("ce_id", b"\xff\x00"), ("null", None), ("dl_reason", b"its own"), ("ce_id", b"twice"))
    await bury(addresses, [letter(7, partition=3, key=b"\xfe", value=b"\x00{", headers=headers)])
    done = await replay_all(addresses)
    assert [str(place) for place in done.replayed] == ["invoice.commands.customer/3/7"]
    assert await sent_again(addresses) == [(3, b"\xfe", b"\x00{", headers)]


async def test_a_record_without_key_and_value_is_sent_again_without_them(addresses: Addresses) -> None:
    await bury(addresses, [letter(7, key=None, value=None)])
    await replay_all(addresses)
    assert await sent_again(addresses) == [(0, None, None, ())]


async def test_many_dead_letters_replayed_twice_have_the_same_outcome_as_once_and_keep_their_order(
    addresses: Addresses,
) -> None:
    values = [str(number).encode() for number in range(LETTERS)]
    await bury(
        addresses,
        [letter(offset, partition=offset % 3, value=value) for offset, value in enumerate(values)],
    )
    first = await replay_all(addresses)
    once, known = await sent_again(addresses), outcomes(addresses)
    second = await replay_all(addresses)
    assert (len(first.replayed), second.replayed) == (LETTERS, [])
    assert (await sent_again(addresses), outcomes(addresses)) == (once, known)
    for partition in range(3):
        assert [value for place, _, value, _ in once if place == partition] == values[partition::3]


async def test_the_offset_at_which_a_record_was_sent_again_is_kept(addresses: Addresses) -> None:
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
        await producer.send_and_wait(CUSTOMER, b"before", partition=0)
    large = b"x" * 200_000  # in a batch of its own
    await bury(addresses, [letter(4, value=b"a"), letter(5, value=large), letter(6, value=large), letter(9)])
    await replay_all(addresses)
    assert outcomes(addresses) == [(4, "replayed", 1), (5, "replayed", 2), (6, "replayed", 3), (9, "replayed", 4)]


def _replay_until_killed(point: Point, addresses: Addresses) -> None:
    arm(point, 1)
    asyncio.run(replay_all(addresses))


@pytest.mark.parametrize(
    ("when", "function", "settled"),
    [
        ("after", "projections.dead_letters.replaying:begin_replay", 0),
        ("after", "aiokafka:AIOKafkaProducer.begin_transaction", 0),
        ("before", "aiokafka:AIOKafkaProducer.commit_transaction", 0),
        ("after", "aiokafka:AIOKafkaProducer.commit_transaction", 3),
        ("before", "transport.producer:TransactionalProducer.stop", 3),
    ],
)
async def test_a_replay_that_was_killed_is_continued_and_sends_nothing_twice(
    addresses: Addresses, when: Literal["before", "after"], function: str, settled: int
) -> None:
    await bury(addresses, [letter(offset, value=str(offset).encode()) for offset in range(3)])
    killed = _FORKS.Process(target=_replay_until_killed, args=(Point("replay", when, function), addresses))
    killed.start()
    await asyncio.to_thread(killed.join)
    assert killed.exitcode == -SIGKILL
    done = await replay_all(addresses)
    assert len(done.replayed) == 3 - settled
    assert [value for _, _, value, _ in await sent_again(addresses)] == [b"0", b"1", b"2"]
    places = {one.offset: one.value for one in await everything(addresses.kafka, CUSTOMER)}
    assert [places[again or 0] for _, _, again in outcomes(addresses)] == [b"0", b"1", b"2"]


async def test_a_record_that_is_unreadable_again_has_a_letter_of_its_own_that_is_only_replayed_by_name(
    addresses: Addresses,
) -> None:
    await bury(addresses, [letter(7)])
    await replay_all(addresses)
    ((_, _, again),) = outcomes(addresses)
    assert again == 0
    await bury(addresses, [letter(again)])
    done = await replay_all(addresses)
    assert (done.replayed, [str(place) for place in done.again]) == ([], [f"{CUSTOMER}/0/0"])
    later, earlier = kept(addresses)
    assert (earlier.unreadable_again, later.replay_of, later.outcome) == (True, 7, "waiting")
    named = await replay(addresses, LetterFilter(places=[f"{CUSTOMER}/0/0"]), by="ada")
    assert len(named.replayed) == 1


async def test_what_is_kept_without_its_content_is_not_sent_again_and_waits(addresses: Addresses) -> None:
    letters = [letter(1, reason="TOO_LARGE", value=None), letter(2, reason="UNDECODABLE_RECORD", key=None, value=None)]
    await bury(addresses, letters)
    done = await replay_all(addresses)
    assert (done.replayed, len(done.incomplete)) == ([], 2)
    assert [one.outcome for one in kept(addresses)] == ["waiting", "waiting"]
    assert await sent_again(addresses) == []


async def test_what_the_topic_no_longer_keeps_is_not_sent_again(addresses: Addresses) -> None:
    await bury(addresses, [letter(1), letter(2)])
    with psycopg.connect(addresses.database) as connection:
        connection.execute("update projections.dead_letters set letter_offset = 5 where record_offset = 1")
    done = await replay_all(addresses)
    assert ([one.offset for one in done.replayed], [one.offset for one in done.incomplete]) == ([2], [1])


async def test_only_one_process_replays_at_a_time(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.advisory_lock._RELEASE_SECONDS", 0.0)
    with exclusive(addresses.database, "test", REPLAY_RIGHT, ReplayRunning()), pytest.raises(ReplayRunning):
        await replay_all(addresses)


async def test_a_discarded_dead_letter_is_not_replayed_and_says_who_discarded_it_and_why(
    addresses: Addresses,
) -> None:
    await bury(addresses, [letter(1), letter(2)])
    with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
        one, other = find_letters(cur, ALL)
        assert discard(cur, [one], by="ada", why="a test of ours") == [one.place]
        assert discard(cur, [one], by="bob", why="another reason") == []
    done = await replay_all(addresses)
    assert done.replayed == [other.place]
    discarded, replayed = kept(addresses)
    assert (discarded.outcome, discarded.decided_by, discarded.why) == ("discarded", "ada", "a test of ours")
    assert (replayed.outcome, replayed.decided_by, replayed.why) == ("replayed", "ada", None)
    with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
        assert discard(cur, [replayed], by="ada", why="too late") == []


NUMBER = "26312000000000000001"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LetterFilter(), [1, 2, 3]),
        (LetterFilter(reason="FAULT"), [2]),
        (LetterFilter(topic=Channel.TAX.value), [3]),
        (LetterFilter(partition=5), [2]),
        (LetterFilter(invoice=NUMBER), [1]),
        (LetterFilter(reason="FAULT", partition=0), []),
        (LetterFilter(places=[f"{CUSTOMER}/5/2", f"{CUSTOMER}/5/1"]), [2]),
        (LetterFilter(since=datetime.fromisoformat("2026-03-01T00:00:00+00:00")), [3]),
    ],
)
def test_dead_letters_are_found_by_what_is_known_of_them(
    tables: Addresses, wanted: LetterFilter, found: Sequence[int]
) -> None:
    project(
        tables,
        [
            letter(1, key=NUMBER.encode()),
            letter(2, reason="FAULT", partition=5),
            letter(3, topic=Channel.TAX.value, at="2026-03-01T00:00:00+00:00"),
        ],
    )
    assert [one.record_offset for one in kept(tables, wanted)] == found


def test_a_dead_letter_is_deleted_with_what_became_of_it_when_its_topic_no_longer_keeps_it(
    tables: Addresses,
) -> None:
    project(tables, [letter(1), letter(2)])
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        discard(cur, find_letters(cur, ALL), by="ada", why="old")
        cur.execute("update projections.handled_dead_letters set decided_at = now() - interval '31 days'")
        cur.execute(
            "update projections.dead_letters set published_at = now() - case record_offset"
            " when 1 then interval '31 days' else interval '29 days' end"
        )
        assert delete_old(cur) == 1
        assert [one.record_offset for one in find_letters(cur, ALL)] == [2]
        assert cur.execute("select record_offset from projections.handled_dead_letters").fetchall() == [(2,)]


async def test_a_table_of_an_earlier_release_is_made_anew_and_filled_again_from_the_topic(addresses: Addresses) -> None:
    await bury(addresses, [letter(1)])
    consumer = MODELS["dead_letters"].consumer
    with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
        positions.stored(cur, consumer, [TopicPartition(DEAD_LETTERS_TOPIC, 0)])
        cur.execute("alter table projections.dead_letters drop column letter_offset")
        cur.execute("update projections.built set code = 'earlier' where model = 'dead_letters'")
    ensure_read_tables(addresses.database)
    assert kept(addresses) == []
    with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
        assert positions.of_topic(cur, consumer, DEAD_LETTERS_TOPIC) == {}
        cur.execute("select code from projections.built where model = 'dead_letters'")
        assert cur.fetchone() == (MODELS["dead_letters"].fingerprint,)
    await bury(addresses, [letter(2)])
    ensure_read_tables(addresses.database)
    assert [one.record_offset for one in kept(addresses)] == [2]
