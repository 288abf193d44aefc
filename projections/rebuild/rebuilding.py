"""Rebuild and verify: a fresh fold of all events beside the live tables, compared with them, then replacing them."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import psycopg
import stamina
from aiokafka import TopicPartition
from psycopg.errors import LockNotAvailable

from projections import releasing, resuming
from projections.catalogue import CatalogueEntry
from projections.engine.read_model import Cur
from projections.rebuild import shares, tables
from projections.rebuild.filling import MAX_STALL_SECONDS_WHILE_PAUSED, CannotFold, Filling, Progress, filling
from projections.rebuild.tables import NEW, OLD
from transport.addresses import Addresses
from transport.advisory_lock import exclusive
from transport.clients.postgres import connect
from transport.topics import partition_counts

_GRACE_SECONDS = 10.0
"""Seconds that the old tables stay after a switch."""
_MAX_RECORDS_BEHIND_TO_PAUSE = 2000
"""Records behind the live read model at which it is paused while the rest is filled."""
_ROLE = "rebuild"
_FROZEN_AFTER = "20s"
"""A frozen rebuild that has paused the live read model would hold its positions locked for ever."""


class Busy(Exception):
    """Another process rebuilds or verifies the read model."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a rebuild or a verification.

    same: whether live and fresh rows are equal; None if other code made the live ones. stopped: why the live read model
    has stopped. parked: how many invoices it has parked; their rows are not compared.
    """

    rows: int
    same: bool | None
    differences: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    parked: int = 0


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """Where progress is reported: as numbers, and as sentences."""

    progress: Progress
    say: Callable[[str], None]


async def rebuild(
    addresses: Addresses, entry: CatalogueEntry, report: ProgressReport, grace: float = _GRACE_SECONDS
) -> Outcome:
    """Fill new tables and replace the live ones by them. Queries are answered throughout.

    Resumes an interrupted rebuild by the same code.
    Raises: Busy, CannotFold, Stalled, KafkaError, psycopg.Error.
    """
    code = entry.fingerprint
    with _alone(addresses, entry), _dropping_unfillable(addresses, entry):
        async with filling(addresses, entry, report.progress) as fill:
            await _catch_up(addresses, entry, fill, report, code)
            outcome = await _compared(addresses, entry, fill, code)
            await _switch(addresses, entry, fill, code)
        report.say("switched; the old tables are dropped in a moment")
        await asyncio.sleep(grace)
        with _transaction(addresses) as cur:
            tables.drop_tables(cur, entry, OLD)
    return replace(outcome, stopped=await _still_stopped(addresses, entry), parked=await _parked(addresses, entry))


async def verify(addresses: Addresses, entry: CatalogueEntry, report: ProgressReport) -> Outcome:
    """Compare the live tables with a fresh fold, which is dropped again.

    Raises: Busy, CannotFold, Stalled, KafkaError, psycopg.Error.
    """
    code = entry.fingerprint
    with _alone(addresses, entry), _dropping_unfillable(addresses, entry):
        async with filling(addresses, entry, report.progress) as fill:
            await _catch_up(addresses, entry, fill, report, code)
            outcome = await _compared(addresses, entry, fill, code)
        with _transaction(addresses) as cur:
            tables.give_up(cur, entry)
    stops = await asyncio.to_thread(resuming.stopped_partitions, addresses.database, entry.name)
    return replace(outcome, stopped=tuple(stop.why for stop in stops), parked=await _parked(addresses, entry))


@contextmanager
def _dropping_unfillable(addresses: Addresses, entry: CatalogueEntry) -> Generator[None]:
    """Drop new tables that this code cannot fill: another attempt would fail at the same record."""
    try:
        yield
    except CannotFold:
        with _transaction(addresses) as cur:
            tables.give_up(cur, entry)
        raise


async def _still_stopped(addresses: Addresses, entry: CatalogueEntry) -> tuple[str, ...]:
    """Return why the live read model does not resume in its new tables, once a projector has tried."""
    try:
        stops = await asyncio.to_thread(resuming.wait_for_retry, addresses.database, entry)
    except resuming.NotTried as error:
        return (str(error),)
    return tuple(stop.why for stop in stops)


async def _parked(addresses: Addresses, entry: CatalogueEntry) -> int:
    return len(await asyncio.to_thread(releasing.parked_invoices, addresses.database, [entry.name]))


async def _catch_up(
    addresses: Addresses, entry: CatalogueEntry, fill: Filling, report: ProgressReport, code: str
) -> None:
    """Fill the new tables until they have nearly caught up with the live ones, and then create their indexes."""
    with _transaction(addresses) as cur:
        resumed = tables.begin(cur, entry, code)
    if resumed:
        report.say("resuming an interrupted rebuild")
    await fill.begin(await _partitions(addresses, entry))
    while (behind := _behind(fill, targets := _live(addresses, entry))) > _MAX_RECORDS_BEHIND_TO_PAUSE:
        if behind > shares.MIN_RECORDS_FOR_PROCESSES:
            await shares.fill(addresses, entry, fill, targets, report.progress)
        else:
            await fill.reach(targets)
    await fill.reach(_live(addresses, entry))
    if not resumed or not _indexed(addresses, entry):
        with _transaction(addresses) as cur:
            entry.build(NEW).index(cur)


def _indexed(addresses: Addresses, entry: CatalogueEntry) -> bool:
    """Return whether the new tables have more indexes than the primary key of each."""
    names = list(entry.build(NEW).names())
    with _transaction(addresses) as cur:
        cur.execute(
            "select count(*) from pg_indexes where schemaname = 'projections' and tablename = any(%s)", (names,)
        )
        (count,) = cur.fetchone() or (0,)
    return count > len(names)


async def _compared(addresses: Addresses, entry: CatalogueEntry, fill: Filling, code: str) -> Outcome:
    """Compare with the live tables as they are at one moment; they keep changing."""
    with connect(addresses.database, _ROLE, autocommit=False) as connection, connection.cursor() as cur:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        at = tables.positions_of(cur, entry.consumer, entry)
        live = await asyncio.to_thread(tables.contents, cur, entry)
        cur.execute("select code from projections.built where model = %s", (entry.name,))
        built_by = (cur.fetchone() or (None,))[0]
    await fill.reach(at)
    with _transaction(addresses) as cur:
        fresh = await asyncio.to_thread(tables.contents, cur, entry, NEW)
    if fresh == live:
        return Outcome(fresh.rows, same=True)
    if built_by != code:
        return Outcome(fresh.rows, same=None)
    differences = tuple(await _differences(addresses, entry, fill))
    # None where an invoice has been parked or released since the live tables were read.
    return Outcome(fresh.rows, same=not differences, differences=differences)


async def _differences(addresses: Addresses, entry: CatalogueEntry, fill: Filling) -> list[str]:
    with _transaction(addresses) as cur:
        await fill.reach(tables.positions_of(cur, entry.consumer, entry, pause=True), MAX_STALL_SECONDS_WHILE_PAUSED)
        return await asyncio.to_thread(tables.differences, cur, entry)


async def _switch(addresses: Addresses, entry: CatalogueEntry, fill: Filling, code: str) -> None:
    """Pause the live read model, fill the rest, and rename the tables; try again while a long query holds a lock."""
    partitions = len(fill.at)
    async for attempt in stamina.retry_context(on=LockNotAvailable, attempts=30, timeout=None, wait_max=5.0):
        with attempt, _transaction(addresses) as cur:
            await fill.reach(
                tables.positions_of(cur, entry.consumer, entry, pause=True), MAX_STALL_SECONDS_WHILE_PAUSED
            )
            tables.switch(cur, entry, code, partitions)


async def _partitions(addresses: Addresses, entry: CatalogueEntry) -> list[TopicPartition]:
    count = (await partition_counts(addresses.kafka, [entry.topic]))[entry.topic]
    return [TopicPartition(entry.topic, partition) for partition in range(count)]


def _live(addresses: Addresses, entry: CatalogueEntry) -> dict[TopicPartition, int]:
    with _transaction(addresses) as cur:
        return tables.positions_of(cur, entry.consumer, entry)


def _behind(fill: Filling, targets: dict[TopicPartition, int]) -> int:
    return sum(target - fill.at[partition] for partition, target in targets.items())


@contextmanager
def _transaction(addresses: Addresses) -> Generator[Cur]:
    settings = {"idle_in_transaction_session_timeout": _FROZEN_AFTER}
    with (
        connect(addresses.database, _ROLE, autocommit=False, **settings) as connection,
        connection.cursor() as cur,
    ):
        yield cur


def _alone(addresses: Addresses, entry: CatalogueEntry) -> AbstractContextManager[object]:
    """Hold the right to rebuild a read model. Raises: Busy."""
    busy = Busy(f"another process is rebuilding or verifying {entry.name}; wait for it to end")
    return exclusive(addresses.database, _ROLE, ("redletter rebuild", entry.name), busy)
