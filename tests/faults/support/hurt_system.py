"""A whole system on servers of its own, the world outside that keeps it busy, and what must hold when it was hurt."""

import asyncio
import itertools
import random
import signal
import tempfile
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from events.names import PROJECTOR_GROUP
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, REPLIES_TOPIC
from local.kafka_server import EmbeddedKafka, embedded_kafka
from local.postgres_server import EmbeddedPostgres, embedded_postgres
from local.waiting import wait_until
from tests.faults.points.catalogue import Point
from tests.faults.points.matrix import exit_code_at
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
from tests.faults.support.roles import PROGRAM, Roles
from tests.support.fresh_system import PARTITIONS, migrate
from tests.support.scale import SEED
from transport import positions
from transport.addresses import Addresses
from transport.positions import StoredPosition

WAITING = """
    select 1 from pg_locks join pg_stat_activity using (pid)
    where relation = %s::regclass and not granted and application_name = %s
"""
PROJECTED_WITHIN = 60.0
"""Seconds, with those until the group misses a frozen member."""
TRIES = 30
HELD = 2
"""Seconds that a lock is held at a time: the role gives up a batch that waits for it any longer."""
ANY_PARTITIONS = range(1, 1000)
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
                if wait_until(lambda: connection.execute(WAITING, (table, role)).fetchone() is not None, seconds=HELD):
                    return self.roles.freeze(role)
        msg = f"{role} never waits for {table}"
        raise AssertionError(msg)

    async def kill_by_turns(self, rng: random.Random, *roles: str, kills: int, seconds: float) -> None:
        """Kill and restart one role after the other, each under load: at least so often, and for so many seconds."""
        begun, turns = time.monotonic(), itertools.cycle(roles)
        for number in itertools.count():
            if number >= kills and time.monotonic() - begun >= seconds:
                return
            await self.roles.holds(role := next(turns), ANY_PARTITIONS)
            await self.outside.progress(since=self.outside.answered, by=rng.randrange(40, 120))
            self.roles.kill(role)
            self.roles.start(role)

    async def run(self, *command: str) -> int:
        """Run a command, and return its exit code."""
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *command, env=self.roles.environment_of(command[0]), stdout=DEVNULL
        )
        return await process.wait()

    async def is_killed_at(self, point: Point, passing: int, *command: str) -> bool:
        """Run a command, and return whether it was killed at the N-th passing of a point."""
        environment, log = self.roles.environment_of(point.role), self.roles.logs / f"{point.role}.log"
        return await exit_code_at(point, passing, command, environment, log) == -signal.SIGKILL

    async def projected(self) -> None:
        """Wait until the read models show everything that is on the topic of events now."""
        ends = {record.partition: record.offset for record in await everything(self.addresses.kafka, EVENTS_TOPIC)}
        async with asyncio.timeout(PROJECTED_WITHIN):
            while not all(position > ends[partition] for partition, position in self._projectors()):
                await asyncio.sleep(0.1)

    def _projectors(self) -> list[tuple[int, int]]:
        """Return the partitions of the topic of events with the position of each read model."""
        return [
            (position.partition, position.next)
            for position in self._positions()
            if position.topic == EVENTS_TOPIC and position.consumer.startswith(f"{PROJECTOR_GROUP}.")
        ]

    def _positions(self) -> list[StoredPosition]:
        """Return every position but those of rebuilds, which may have been killed and left as they were."""
        with psycopg.connect(self.addresses.database) as connection:
            return positions.read_all(connection)

    async def verify(self) -> None:
        """Check everything that must hold, whatever happened."""
        bootstrap = self.addresses.kafka
        events = await everything(bootstrap, EVENTS_TOPIC)
        assert_no_gap_and_no_duplicate(events)
        Replies.of(await everything(bootstrap, REPLIES_TOPIC)).assert_answer(self.outside.sent)
        assert_buried(await everything(bootstrap, DEAD_LETTERS_TOPIC), self.outside.sent, self.outside.undecodable)
        await assert_read_model_is_a_fold_of(events, self.addresses)
        await self.projected()
        assert [position for position in self._positions() if position.unread] == []
        await assert_tax_requests_never_go_back(bootstrap, events)


@asynccontextmanager
async def on_own_servers(logs: Path) -> AsyncGenerator[System]:
    """Start servers and roles for the length of a block."""
    with (
        tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder,
        embedded_kafka(Path(folder) / "kafka") as kafka,
        embedded_postgres(Path(folder) / "postgres") as postgres,
    ):
        addresses = Addresses(kafka.bootstrap, postgres.url)
        await migrate(addresses)
        roles = Roles(addresses, logs)
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
