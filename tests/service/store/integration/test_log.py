"""The log: places become visible in their order, without gaps, and whoever tends the tables waits for no writer."""

import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest
from psycopg import sql

from service.log.entries import LogEntry
from service.store import claim_rows, schema
from service.store.event_store import Store
from service.store.log_reader import GENESIS, MAX_ROWS, LogDiffers, LogPosition, LogReader
from service.store.write import Conflict
from tests.service.support.rows import dead_letter, event, reply, save
from tests.support.fresh_system import PARTITIONS
from transport.addresses import Addresses
from transport.partitioning import partition_of

NUMBERS = [f"26{index:018d}" for index in range(1, 6)]
SECONDS = 4.0
"""How long many write and read at once."""
PATIENCE = "set lock_timeout = '3s'"


def command(number: str, version: int) -> list[LogEntry]:
    return [event(number, version), reply(number, f"{number}-{version}")]


async def test_a_commands_entries_lie_side_by_side_in_the_partition_of_its_key(fresh_database: Addresses) -> None:
    store = Store(fresh_database.database)
    save(store, [*command(NUMBERS[0], 1), dead_letter(answered=False, key=None), *command(NUMBERS[0], 2)])
    store.close()
    reader = LogReader(fresh_database.database)
    home = partition_of(NUMBERS[0].encode(), 0, PARTITIONS)
    rows = await reader.after(home, LogPosition(0, None))
    assert [(row.place, row.kind) for row in rows] == [(1, "event"), (2, "reply"), (3, "event"), (4, "reply")]
    # Without a key it is the partition that the record came by.
    assert [row.kind for row in await reader.after(3, LogPosition(0, None)) if row.key is None] == ["dead letter"]
    await reader.close()


async def test_a_backlog_is_read_in_order_and_in_bounded_parts(fresh_database: Addresses) -> None:
    store, commands = Store(fresh_database.database), MAX_ROWS * 5 // 4
    save(store, [entry for version in range(1, commands + 1) for entry in command(NUMBERS[0], version)])
    store.close()
    reader, home = LogReader(fresh_database.database), partition_of(NUMBERS[0].encode(), 0, PARTITIONS)
    parts = [await reader.after(home, GENESIS)]
    while parts[-1]:
        parts.append(await reader.after(home, LogPosition.of(parts[-1][-1])))
    assert [row.place for rows in parts for row in rows] == list(range(1, 2 * commands + 1))
    assert all(len(rows) <= MAX_ROWS for rows in parts)
    assert all(rows[-1].ends for rows in parts[:-1])
    await reader.close()


@pytest.mark.parametrize("bits", [15, 31])
async def test_a_partition_is_read_across_the_places_at_which_a_type_of_numbers_ends(
    fresh_database: Addresses, bits: int
) -> None:
    home, last = partition_of(NUMBERS[0].encode(), 0, PARTITIONS), 2**bits - 10
    with psycopg.connect(fresh_database.database, autocommit=True) as connection:
        connection.execute("update redletter.log_partitions set last_place = %s where partition = %s", (last, home))
    store, reader = Store(fresh_database.database), LogReader(fresh_database.database)
    save(store, [entry for version in range(1, 12) for entry in command(NUMBERS[0], version)])
    store.close()
    rows = await reader.after(home, LogPosition(last + 2, None))
    assert [row.place for row in rows] == list(range(last + 3, last + 23))
    await reader.close()


async def test_a_hole_wider_than_one_reading_is_not_taken_for_the_end(fresh_database: Addresses) -> None:
    store = Store(fresh_database.database)
    save(store, [entry for version in range(1, MAX_ROWS) for entry in command(NUMBERS[0], version)])
    store.close()
    reader, home = LogReader(fresh_database.database), partition_of(NUMBERS[0].encode(), 0, PARTITIONS)
    end = LogPosition.of((await reader.after(home, GENESIS))[1])
    await reader.check_end(home, end)
    with psycopg.connect(fresh_database.database, autocommit=True) as connection:
        for table in ("invoice_events", "replies"):
            connection.execute(
                sql.SQL("delete from redletter.{} where place between %s and %s").format(sql.Identifier(table)),
                (end.place + 1, end.place + MAX_ROWS),
            )
    assert not await reader.after(home, end)
    with pytest.raises(LogDiffers, match=f"nothing behind {end.place}, but was written up to {2 * (MAX_ROWS - 1)}"):
        await reader.check_end(home, end)
    await reader.close()


def _write_at_random(fresh_database: Addresses, writer: int, until: float) -> int:
    """Write commands to random partitions, one transaction in ten rolled back. Return how many entries there are."""
    rng, store, written = random.Random(writer), Store(fresh_database.database), 0  # noqa: S311 - a test's choice
    versions: dict[str, int] = defaultdict(int)
    while time.monotonic() < until:
        numbers = {f"26{writer:04d}{rng.randrange(100):014d}" for _ in range(rng.randrange(1, 20))}
        entries = [entry for number in numbers for entry in command(number, versions[number] + 1)]
        if rng.random() < 0.1:
            taken = event(f"26{writer:04d}{0:014d}", 1)
            with suppress(Conflict):
                save(store, [*entries, taken, taken])
                raise AssertionError
            continue
        try:
            save(store, entries)
        except Conflict:
            continue
        versions.update({number: versions[number] + 1 for number in numbers})
        written += len(entries)
    store.close()
    return written


_VISIBLE = """
    select place from (
        select partition, place from redletter.invoice_events union all select partition, place from redletter.replies
    ) as entries where partition = %s and place > %s order by place
"""


def _read_in_order(fresh_database: Addresses, done: threading.Event) -> int:
    """Read every partition again and again from where it was left; return how many entries were seen."""
    seen = dict.fromkeys(range(PARTITIONS), 0)
    with psycopg.connect(fresh_database.database, autocommit=True) as connection:
        last_round = False
        while not last_round:
            last_round = done.is_set()
            for partition, last in seen.items():
                places = [place for (place,) in connection.execute(_VISIBLE, (partition, last))]
                assert places == list(range(last + 1, last + 1 + len(places)))
                seen[partition] = last + len(places)
    return sum(seen.values())


def test_whatever_is_written_at_once_readers_see_every_place_in_its_order(fresh_database: Addresses) -> None:
    done = threading.Event()
    with ThreadPoolExecutor() as threads:
        until = time.monotonic() + SECONDS
        writers = [threads.submit(_write_at_random, fresh_database, writer, until) for writer in range(4)]
        readers = [threads.submit(_read_in_order, fresh_database, done) for _ in range(2)]
        try:
            written = sum(writer.result() for writer in writers)
        finally:
            done.set()
        assert [reader.result() for reader in readers] == [written, written]
    assert written > 100


def test_a_writer_waits_for_no_vacuum_and_no_index_build(fresh_database: Addresses) -> None:
    store = Store(fresh_database.database)
    with psycopg.connect(fresh_database.database) as tending:
        # What VACUUM, ANALYZE and CREATE INDEX CONCURRENTLY hold for as long as they take.
        tending.execute("lock table redletter.invoice_events, redletter.replies in share update exclusive mode")
        began = time.monotonic()
        save(store, command(NUMBERS[0], 1))
        assert time.monotonic() - began < 30
    store.close()


def test_no_vacuum_and_no_index_build_waits_for_a_writer(
    fresh_database: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is frozen in the middle of its transaction, or writes without a pause."""
    store, in_transaction, may_continue = Store(fresh_database.database), threading.Event(), threading.Event()
    apply = claim_rows.apply

    def apply_and_wait(*arguments: object) -> None:
        apply(*arguments)  # type: ignore[arg-type] - handed on
        in_transaction.set()
        assert may_continue.wait(30)

    monkeypatch.setattr(claim_rows, "apply", apply_and_wait)
    with ThreadPoolExecutor() as threads, psycopg.connect(fresh_database.database, autocommit=True) as tending:
        tending.execute(PATIENCE)
        writing = threads.submit(save, store, command(NUMBERS[0], 1))
        try:
            assert in_transaction.wait(30)
            tending.execute("vacuum (analyze) redletter.invoice_events")
        finally:
            may_continue.set()
        writing.result()
        ending = threads.submit(_write_at_random, fresh_database, 1, time.monotonic() + 2)
        while not ending.done():
            tending.execute("create index concurrently on redletter.invoice_events (occurred_at)")
            tending.execute("analyze redletter.invoice_events")
    store.close()


def test_the_count_of_partitions_can_change_while_the_log_is_empty_and_not_after(fresh_database: Addresses) -> None:
    schema.migrate(fresh_database.database, 5)
    schema.migrate(fresh_database.database, PARTITIONS)
    store = Store(fresh_database.database)
    save(store, command(NUMBERS[0], 1))
    store.close()
    schema.migrate(fresh_database.database, PARTITIONS)
    with pytest.raises(schema.LogMismatch, match="has 8 partitions and should have 5"):
        schema.migrate(fresh_database.database, 5)
