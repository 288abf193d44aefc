"""Nothing is published before as many standbys as asked for have flushed it."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any, LiteralString

import psycopg
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from events.topics import REPLIES_TOPIC
from local.postgres_server import BIN, embedded_postgres
from service import relay
from service.store import log_reader
from service.store import schema as write_side
from service.store.event_store import Store
from service.store.log_reader import GENESIS, LogReader
from tests.faults.support.evidence import everything
from tests.service.support.rows import event, reply, save
from tests.support.fresh_system import PARTITIONS
from tests.support.tasks import running
from tests.support.waiting import until
from transport.addresses import Addresses
from transport.partitioning import partition_of

NUMBER = "26000000000000000001"


@pytest.fixture
def replicated(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Addresses]:
    """Give the topics of the test, and a PostgreSQL server of its own, since standbys follow a whole server."""
    monkeypatch.setattr(log_reader, "WARN_EVERY", 1.0)
    with (
        tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder,
        embedded_postgres(Path(folder)) as postgres,
    ):
        write_side.migrate(postgres.url, PARTITIONS)
        yield Addresses(addresses.kafka, postgres.url)


@contextmanager
def standby(database: str) -> Generator["subprocess.Popen[bytes]"]:
    """Run what a standby is to its primary: it receives the WAL, flushes it and says how far it is."""
    with tempfile.TemporaryDirectory() as folder:
        command = (BIN / "pg_receivewal", "--synchronous", "--no-loop", "-D", folder, "-d", database)
        process = subprocess.Popen(command)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def waits(logs: list[EventDict]) -> bool:
    return any(log["event"] == "publication_waits_for_standbys" for log in logs)


async def test_an_entry_is_published_once_a_standby_has_flushed_it(replicated: Addresses) -> None:
    store = Store(replicated.database)

    def write(version: int) -> None:
        save(store, [event(NUMBER, version), reply(NUMBER, str(version))])

    async def published(count: int) -> bool:
        return len(await everything(replicated.kafka, REPLIES_TOPIC)) == count

    async with running(relay.run(replicated, standbys=1)):
        with capture_logs() as logs:
            write(1)
            await until(lambda: waits(logs))
        assert await published(0)
        with standby(replicated.database) as process:
            await until(lambda: published(1))
            process.send_signal(SIGSTOP)
            with capture_logs() as logs:
                write(2)
                await until(lambda: waits(logs))
            assert await published(1)
            process.send_signal(SIGCONT)
            await until(lambda: published(2))
    store.close()


def of_server(database: str, what: LiteralString) -> Any:
    with psycopg.connect(database, autocommit=True) as connection:
        ((answer,),) = connection.execute("select " + what).fetchall()
    return answer


async def test_what_was_committed_without_waiting_for_the_disk_is_flushed_first(replicated: Addresses) -> None:
    """The server's own writer of the WAL is frozen, so that nothing else flushes it."""
    writer = of_server(replicated.database, "pid from pg_stat_activity where backend_type = 'walwriter'")

    async def published() -> bool:
        return len(await everything(replicated.kafka, REPLIES_TOPIC)) == 1

    store = Store(f"{replicated.database}?options=-csynchronous_commit%3Doff")
    with standby(replicated.database):
        os.kill(writer, SIGSTOP)
        try:
            save(store, [event(NUMBER, 1), reply(NUMBER, "1")])
            written = of_server(replicated.database, "pg_current_wal_insert_lsn() - '0/0'")
            async with running(relay.run(replicated, standbys=1)):
                await until(published)
                flushed = of_server(replicated.database, "min(flush_lsn) - '0/0' from pg_stat_replication")
            assert flushed >= written
        finally:
            os.kill(writer, SIGCONT)
    store.close()


async def test_what_was_read_over_a_session_that_has_ended_is_not_published(replicated: Addresses) -> None:
    """Two partitions share a session; the one that learns first of its end opens another, maybe with another server."""
    numbers = [f"26{index:018d}" for index in range(1, 9)]
    partitions = sorted({partition_of(number.encode(), 0, PARTITIONS) for number in numbers})[:2]
    store = Store(replicated.database)
    save(store, [entry for number in numbers for entry in (event(number, 1), reply(number, number))])
    store.close()
    reader = LogReader(replicated.database, standbys=1)
    with capture_logs() as logs:
        reading = [asyncio.ensure_future(reader.after(partition, GENESIS)) for partition in partitions]
        await until(lambda: both_wait(logs, partitions))
    with psycopg.connect(replicated.database, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%relay'"
        )
    with standby(replicated.database):
        results = await asyncio.gather(*reading, return_exceptions=True)
    assert all(isinstance(result, psycopg.OperationalError) for result in results)
    await reader.close()


async def both_wait(logs: list[EventDict], partitions: list[int]) -> bool:
    return {log["partition"] for log in logs if "partition" in log} == set(partitions)
