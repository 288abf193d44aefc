"""PostgreSQL restored from an older backup, rebuilt from the topics: nothing is lost, repeated or out of order."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, REPLIES_TOPIC
from projections import projector
from projections import schema as read_side
from rules.calendar import MAINLAND_CHINA
from service import relay
from service.reconcile.loss import fence_relays, find_loss
from service.reconcile.published import newest_events
from service.reconcile.rebuilding import Disputed, rebuild_log
from service.relay.partition import PartitionRelay
from service.store.event_store import Store
from service.store.log_reader import LogReader
from service.store.notifications import News
from service.worker import deciding
from service.worker import role as worker
from service.worker.releasing import Releasing
from tests.faults.support.evidence import (
    Replies,
    assert_buried,
    assert_no_gap_and_no_duplicate,
    assert_read_model_is_a_fold_of,
    everything,
    headers,
)
from tests.faults.support.load import Script, scripts
from tests.faults.support.publishing import Outside
from tests.redletter.support.program import redletter
from tests.service.support.backups import back_up, drop, restore
from tests.service.support.parking import cancel, decide_rightly, register, waiting
from tests.service.support.records import MOMENTS, POLICY
from tests.support.fresh_system import PARTITIONS, database
from tests.support.scale import SEED
from tests.support.tasks import running
from tests.support.waiting import until
from transport.addresses import Addresses
from transport.clients.postgres import connect
from transport.partitioning import partition_of
from transport.records import ConsumerRecord

_TRACE = "causation_id, correlation_id, traceparent"
_TABLES = {
    "invoice_events": "*",
    "replies": f"partition, place, command_key, digest, id, name, record_key, subject, value, sent_at, {_TRACE}",
    "dead_letters": """partition, place, answered, topic, record_partition, record_offset, reason, error, buried_at,
        record_key, value, header_names, header_values""",
    "notices": f"partition, place, answered, id, name, invoice_number, value, sent_at, {_TRACE}",
    "claims": "*",
    "parked_invoices": "invoice_number, last_turn, last_place, commands, bytes",
    "parked_commands": "*",
    "positions": "topic, partition, case consumer when 'redletter.worker' then next end",
    "log_partitions": "*",
}
"""What the log is, and nothing of when it was written."""


@asynccontextmanager
async def roles(addresses: Addresses) -> AsyncGenerator[None]:
    """Run a worker, a relay and a projector for the length of a block."""
    async with AsyncExitStack() as stack:
        for work in (
            worker.run(addresses, clock_shift=timedelta(), policy=POLICY, calendar=MAINLAND_CHINA),
            relay.run(addresses),
            projector.run(addresses),
        ):
            await stack.enter_async_context(running(work))
        yield


def halves(whole: Sequence[Script]) -> tuple[list[Script], list[Script]]:
    """Split each script in two that follow each other."""
    middle = [len(script.steps) // 2 for script in whole]
    first = [Script(script.number, script.steps[:at]) for script, at in zip(whole, middle, strict=True)]
    second = [Script(script.number, script.steps[at:]) for script, at in zip(whole, middle, strict=True)]
    return first, second


async def reconcile(addresses: Addresses, *options: str) -> CompletedProcess[str]:
    servers = {
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka,
        "REDLETTER_DATABASE_URL": addresses.database,
        "REDLETTER_READ_DATABASE_URL": addresses.read_models or "",
    }
    return await asyncio.to_thread(redletter, "reconcile", *options, **os.environ, **servers)


def read_only(addresses: Addresses) -> Addresses:
    """Return addresses by which nothing can be written to the database."""
    options = "options=-c%20default_transaction_read_only%3Don&target_session_attrs=any"
    return replace(addresses, database=f"{addresses.database}?{options}")


async def test_everything_goes_on_after_a_backup_was_restored_and_rebuilt_from_the_topics(
    servers: Addresses, addresses: Addresses
) -> None:
    outside = Outside(addresses.kafka, PARTITIONS, SEED)
    begun, ended = halves(scripts(4))
    lost_begun, lost_ended = halves(scripts(4, first=100))
    async with roles(addresses):
        await outside.play(begun, noise=2)
    copy = back_up(addresses.database)
    async with roles(addresses):
        await outside.play([*ended[:2], *lost_begun], noise=2)
    newer = restore(addresses.database, copy)

    planned = await reconcile(read_only(addresses), "--dry-run")
    assert (planned.returncode, planned.stderr) == (0, "")
    done = await reconcile(addresses)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(planned.stdout)
    same(addresses.database, newer)
    await older_read_models_hold_their_documents_back(servers, addresses)

    async with roles(addresses):
        await outside.play([*ended[2:], *lost_ended], noise=2)
        await evidence(addresses, outside)
    drop(addresses.database, newer)


async def older_read_models_hold_their_documents_back(servers: Addresses, addresses: Addresses) -> None:
    """As where they have a database of their own, which alone came back older, in this case empty."""
    newest: dict[str, int] = {}
    for record in await everything(addresses.kafka, EVENTS_TOPIC):
        newest[(record.key or b"").decode()] = int(headers(record)["ce_invoiceversion"])
    with database(servers) as read_models:
        read_side.ensure_read_tables(read_models)
        done = await reconcile(replace(addresses, read_models=read_models))
        assert (done.returncode, "nothing to rebuild" in done.stdout) == (0, True), done.stderr
        with psycopg.connect(read_models) as connection:
            held = connection.execute("select invoice_number, version from projections.status_outbox").fetchall()
    assert dict(held) == newest


def same(database: str, newer: str) -> None:
    """Check that the log that was rebuilt is the one that was lost."""
    with psycopg.connect(database) as now, psycopg.connect(database.rpartition("/")[0] + f"/{newer}") as then:
        for table, columns in _TABLES.items():
            query = f"select {columns} from redletter.{table}".encode()  # noqa: S608 - literals alone
            assert sorted(map(repr, now.execute(query))) == sorted(map(repr, then.execute(query))), table


async def evidence(addresses: Addresses, outside: Outside) -> None:
    """Check everything that was ever sent."""
    events = await everything(addresses.kafka, EVENTS_TOPIC)
    assert_no_gap_and_no_duplicate(events)
    Replies.of(await everything(addresses.kafka, REPLIES_TOPIC)).assert_answer(outside.sent)
    assert_buried(await everything(addresses.kafka, DEAD_LETTERS_TOPIC), outside.sent, outside.undecodable)
    await assert_read_model_is_a_fold_of(events, addresses)


class Bug:
    """Decisions about these invoices raise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.numbers: set[str] = set()
        monkeypatch.setattr(deciding, "decide", self._decide)

    def _decide(self, state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if command.invoice_number in self.numbers:
            raise RuntimeError("an injected bug")
        return decide_rightly(state, claims, command, moment)


async def test_parked_commands_wait_again_and_a_command_is_decided_again_if_only_its_neighbour_was_published(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All commands come by one partition, as of a publisher with a partitioner of its own."""
    bug = Bug(monkeypatch)
    released, parked, seen, unseen = (f"26{index:018d}" for index in (1, 2, 3, 5))
    homes = [partition_of(number.encode(), 0, PARTITIONS) for number in (released, parked, seen, unseen)]
    assert homes[3] not in homes[:3]
    bug.numbers = {released}
    async with working(addresses):
        await send(addresses, register(released, "1"), cancel(released, "2"))
        await until(lambda: waits(addresses, {released: 2}))
    copy = back_up(addresses.database)
    bug.numbers = {parked}
    async with working(addresses):
        commands = (register(unseen, "3"), register(seen, "4"), register(parked, "5"), cancel(parked, "6"))
        await send(addresses, *commands)
        await until(lambda: waits(addresses, {released: 2, parked: 2}))
    store = Store(addresses.database)
    Releasing(store, MOMENTS).release(released)
    store.close()
    for home in set(homes[:3]):
        await publish_all(addresses, home)
    newer = restore(addresses.database, copy)
    bug.numbers, disputes = {parked}, list[Disputed]()
    with connect(addresses.database, "reconcile") as connection:
        await fence_relays(addresses.kafka, PARTITIONS)
        loss = await find_loss(connection, addresses.kafka, lambda _done, _all: None)
        rebuilt = rebuild_log(connection, loss, MOMENTS, disputes.extend)
        nothing = await find_loss(connection, addresses.kafka, lambda _done, _all: None)
    assert (rebuilt.decided, disputes, nothing.entries) == (1, [], [])
    assert await waits(addresses, {parked: 2})
    topic = {TopicPartition(EVENTS_TOPIC, partition): 0 for partition in range(PARTITIONS)}
    newest = await newest_events(addresses.kafka, topic, lambda _done, _all: None)
    assert {number: (home, last.version) for number, (home, last) in newest.items()} == {
        released: (homes[0], 1),
        seen: (homes[2], 1),
    }
    same(addresses.database, newer)
    drop(addresses.database, newer)


async def waits(addresses: Addresses, commands: Mapping[str, int]) -> bool:
    store = Store(addresses.database)
    try:
        return waiting(store) == commands
    finally:
        store.close()


async def send(addresses: Addresses, *records: ConsumerRecord) -> None:
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
        for record in records:
            await producer.send_and_wait(
                record.topic, record.value, key=record.key, headers=list(record.headers), partition=0
            )


@asynccontextmanager
async def working(addresses: Addresses) -> AsyncGenerator[None]:
    """Run a worker alone for the length of a block."""
    work = worker.run(addresses, clock_shift=timedelta(), policy=POLICY, calendar=MAINLAND_CHINA)
    async with running(work):
        yield


async def publish_all(addresses: Addresses, partition: int) -> None:
    """Publish one partition of the log up to its end, and the others not at all."""
    entries = LogReader(addresses.database)
    held = PartitionRelay(addresses, partition, entries, News())
    with psycopg.connect(addresses.database) as connection:
        ((end,),) = connection.execute(
            "select last_place from redletter.log_partitions where partition = %s", [partition]
        )

    async def published() -> bool:
        return held.position.place == end

    async with running(held.publish_for_ever()):
        await until(published)
    await entries.close()
