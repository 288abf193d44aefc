"""Nothing is lost, doubled or half done while all around it breaks. On servers of its own, since it kills them."""

import asyncio
import itertools
import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, REPLIES_TOPIC
from local.kafka_server import EmbeddedKafka, embedded_kafka
from local.postgres_server import EmbeddedPostgres, embedded_postgres
from local.waiting import wait_until
from projections.catalogue import REBUILT
from projections.rebuild.rebuilding import ProgressReport, verify
from tests.conftest import PARTITIONS, migrate
from tests.faults.support.evidence import (
    Replies,
    assert_buried,
    assert_no_gap_and_no_duplicate,
    assert_read_model_is_a_fold_of,
    assert_tax_requests_never_go_back,
    everything,
)
from tests.faults.support.load import scripts
from tests.faults.support.publishing import Outside
from tests.faults.support.running import Roles
from transport.addresses import Addresses

SEED = int(os.environ.get("REDLETTER_TESTS_SEED", "1"))
SCALE = int(os.environ.get("REDLETTER_TESTS_SCALE", "1"))
"""How many times the short form of each proof is done; `make prove` asks for more."""
ALL = range(4 * PARTITIONS, 4 * PARTITIONS + 1)
SOME = range(1, 4 * PARTITIONS)
"""Partitions of the four command topics that a worker holds: every one, or a share."""
WAITING = """
    select 1 from pg_locks join pg_stat_activity using (pid)
    where relation = %s::regclass and not granted and application_name = %s
"""
PROJECTORS = """
    select partition, next from redletter.positions where topic = %s and consumer like 'redletter.projector.%%'
"""
PROJECTED_WITHIN = 60.0
"""Seconds, with those until the group misses a frozen member."""
TRIES = 15
ROLES = ("worker", "relay", "projector", "clock")


@dataclass
class System:
    """The servers, the roles on them, and the world outside."""

    kafka: EmbeddedKafka
    postgres: EmbeddedPostgres
    roles: Roles
    addresses: Addresses
    outside: Outside

    def freeze_in_a_transaction(self, role: str, table: str) -> None:
        """Freeze a role while its batch waits to write to a table: it wakes up in the middle of its transaction."""
        lock = sql.SQL("lock table {} in exclusive mode").format(sql.Identifier(*table.split(".")))
        for _ in range(TRIES):
            with psycopg.connect(self.addresses.database) as connection:
                connection.execute(lock)
                if wait_until(lambda: connection.execute(WAITING, (table, role)).fetchone() is not None, seconds=2):
                    return self.roles.freeze(role)
        msg = f"{role} never waits for {table}"
        raise AssertionError(msg)

    async def projected(self) -> None:
        """Wait until the read models show everything that is on the topic of events now."""
        ends = {record.partition: record.offset for record in await everything(self.addresses.kafka, EVENTS_TOPIC)}
        async with asyncio.timeout(PROJECTED_WITHIN):
            while not all(position > ends[partition] for partition, position in self._projectors()):
                await asyncio.sleep(0.1)

    def _projectors(self) -> list[tuple[int, int]]:
        with psycopg.connect(self.addresses.database) as connection:
            return connection.execute(PROJECTORS, (EVENTS_TOPIC,)).fetchall()

    async def verify(self) -> None:
        """Check everything that must hold, whatever happened."""
        bootstrap = self.addresses.kafka
        events = await everything(bootstrap, EVENTS_TOPIC)
        assert_no_gap_and_no_duplicate(events)
        Replies.of(await everything(bootstrap, REPLIES_TOPIC)).assert_answer(self.outside.sent)
        assert_buried(await everything(bootstrap, DEAD_LETTERS_TOPIC), self.outside.sent, self.outside.undecodable)
        await assert_read_model_is_a_fold_of(events, self.addresses)
        await assert_tax_requests_never_go_back(bootstrap, events)


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """Start servers and roles of this test's own."""
    with (
        tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder,
        embedded_kafka(Path(folder) / "kafka") as kafka,
        embedded_postgres(Path(folder) / "postgres") as postgres,
    ):
        addresses = Addresses(kafka.bootstrap, postgres.url)
        await migrate(addresses)
        roles = Roles(addresses, tmp_path)
        roles.start(*ROLES)
        try:
            yield System(kafka, postgres, roles, addresses, Outside(addresses.kafka, PARTITIONS, SEED))
        finally:
            roles.end()


async def under(
    hurt: Callable[[], Coroutine[None, None, None]], system: System, invoices: int, noise: int, abreast: int = 1000
) -> None:
    """Play the load for as long as the system is being hurt; then check every partition, and all the evidence."""
    hurting = asyncio.create_task(hurt())
    try:
        await system.outside.play(scripts(invoices), noise=noise, abreast=abreast)
        for first in itertools.count(invoices + 1, invoices):
            if hurting.done():
                break
            await system.outside.play(scripts(invoices, first=first), abreast=abreast)
        await hurting
    finally:
        hurting.cancel()
    # No partition may be stuck: one more invoice each, many times over.
    await system.outside.play(scripts(4 * PARTITIONS, first=1_000_000))
    await system.verify()


async def test_nothing_is_lost_doubled_or_stuck_while_processes_are_killed(system: System) -> None:
    rng = random.Random(SEED)  # noqa: S311 - a test's choice

    async def kill_at_random() -> None:
        for role in [*ROLES, *rng.choices(ROLES, k=8 * SCALE)]:
            before = system.outside.answered
            await system.outside.progress(since=before, by=rng.randrange(40, 120))
            system.roles.kill(role)
            system.roles.start(role)

    await under(kill_at_random, system, invoices=200 * SCALE, noise=6)
    assert system.roles.kills >= 10 * SCALE


async def test_two_workers_share_the_load_also_when_one_leaves_and_one_freezes(system: System) -> None:
    async def join_leave_freeze() -> None:
        await system.outside.progress(since=0, by=100)
        system.roles.start("worker-2")
        await system.roles.holds("worker-2", SOME)
        await system.outside.progress(since=system.outside.answered, by=300)
        assert system.roles.stop("worker-2") == 0
        system.roles.start("worker-3")
        await system.roles.holds("worker-3", SOME)
        await asyncio.to_thread(system.freeze_in_a_transaction, "worker-3", "redletter.invoice_events")
        await system.roles.holds("worker", ALL)
        await system.outside.progress(since=system.outside.answered, by=100)
        # It wakes with a batch that it has read, and believes that it still owns the partitions.
        system.roles.wake("worker-3")
        await system.roles.holds("worker-3", SOME)

    await under(join_leave_freeze, system, invoices=100 * SCALE, noise=2, abreast=10)


async def test_no_read_model_goes_back_when_a_frozen_projector_wakes_up_after_another_took_over(system: System) -> None:
    async def freeze_and_wake() -> None:
        await system.outside.progress(since=0, by=100)
        await asyncio.to_thread(system.freeze_in_a_transaction, "projector", "projections.status")
        system.roles.start("projector-2")
        await system.outside.progress(since=system.outside.answered, by=100)
        await system.projected()
        system.roles.wake("projector")
        await system.outside.progress(since=system.outside.answered, by=300)

    await under(freeze_and_wake, system, invoices=100 * SCALE, noise=2, abreast=10)
    for entry in REBUILT.values():
        outcome = await verify(system.addresses, entry, ProgressReport(lambda _done, _total: None, lambda _: None))
        assert (entry.name, outcome.differences) == (entry.name, ())


async def test_work_resumes_by_itself_when_the_store_was_away_for_ten_seconds(system: System) -> None:
    async def store_away() -> None:
        await system.outside.progress(since=0, by=200)
        system.postgres.kill()
        await asyncio.sleep(10)  # the length of the outage is the case, not a wait for something
        system.postgres.start()

    await under(store_away, system, invoices=100 * SCALE, noise=2)


async def test_work_resumes_by_itself_when_the_broker_was_killed(system: System) -> None:
    async def broker_killed() -> None:
        await system.outside.progress(since=0, by=200)
        system.kafka.kill()
        await asyncio.to_thread(system.kafka.start)

    await under(broker_killed, system, invoices=100 * SCALE, noise=2)
