"""A relay reads what it knows to be there, while it publishes what it has read, and nothing else."""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import pytest

from service.relay import partition as module
from service.relay.partition import BACKLOG, RELAY_TURN_SECONDS, PartitionRelay
from service.store import notifications
from service.store.log_reader import LogPosition
from service.store.log_tables import LogRow
from service.store.notifications import News
from tests.service.support.rows import log_row
from tests.support.tasks import running
from tests.support.waiting import until
from transport.addresses import Addresses
from transport.records import OutgoingRecord

COMMAND = 2
"""Entries of a command, and of one reading."""


class Log:
    """A partition of the log in memory, which counts how often it is read."""

    def __init__(self) -> None:
        self.rows: list[LogRow] = []
        self.readings = 0
        self.reading = asyncio.Event()

    def grow(self, commands: int) -> int:
        """Add so many commands; return the last place."""
        for _ in range(commands):
            self.rows += [log_row(len(self.rows) + 1, ends=False), log_row(len(self.rows) + 2, ends=True)]
        return len(self.rows)

    async def refuse_older(self, *_: object) -> None: ...

    async def after(self, _: int, position: LogPosition) -> Sequence[LogRow]:
        self.readings += 1
        self.reading.set()
        return self.rows[position.place : position.place + COMMAND]

    async def check_end(self, *_: object) -> int:
        return len(self.rows)


class Producer:
    """A producer that publishes when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.let.set()
        self.begins = asyncio.Event()
        self.begun: list[float] = []
        self.published = 0

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def publish(self, messages: Sequence[OutgoingRecord], **_: object) -> None:
        self.begun.append(time.monotonic())
        self.begins.set()
        await self.let.wait()
        self.published += len(messages) - 1  # the last is the position


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Producer:
    producer = Producer()

    async def nothing(*_: object) -> bytes:
        return LogPosition(0, None).write()

    monkeypatch.setattr(module, "TransactionalProducer", lambda *_: producer)
    monkeypatch.setattr(module, "newest_value", nothing)
    monkeypatch.setattr(notifications, "READ_AGAIN", 3600)  # what is read, is read because of news
    return producer


async def test_what_comes_alone_is_read_once_and_its_end_is_not_looked_for(producer: Producer) -> None:
    log, news = Log(), News()
    relay = PartitionRelay(Addresses("", ""), 0, cast("Any", log), news)

    async def published() -> bool:
        return relay.position.place == len(log.rows)

    log.grow(3)
    async with running(relay.publish_for_ever()):
        await until(published)
        await until(lambda: _settled(log))
        for _ in range(3):
            before = log.readings
            news.reached(0, log.grow(1))
            await until(published)
            assert await _settled(log)
            assert log.readings == before + 1
    assert producer.published == len(log.rows)


async def test_what_comes_thick_and_fast_shares_transactions(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)  # publishing takes no time, so that a whole turn is left
    log, news = Log(), News()
    relay = PartitionRelay(Addresses("", ""), 0, cast("Any", log), news)
    async with running(relay.publish_for_ever()):
        await until(lambda: _settled(log))
        for _ in range(4):
            producer.begins.clear()
            news.reached(0, log.grow(1))
            await asyncio.wait_for(producer.begins.wait(), 60)
    assert all(later - earlier >= RELAY_TURN_SECONDS - 0.001 for earlier, later in pairwise(producer.begun))


async def test_of_a_backlog_the_next_entries_are_read_while_those_before_them_are_published(producer: Producer) -> None:
    log, news = Log(), News()
    relay = PartitionRelay(Addresses("", ""), 0, cast("Any", log), news)
    async with running(relay.publish_for_ever()):
        await until(lambda: _settled(log))
        producer.let.clear()
        before = log.readings
        news.reached(0, log.grow(BACKLOG))

        async def read_on() -> bool:
            return log.readings >= before + 2

        await until(read_on)
        assert not producer.published


async def _settled(log: Log) -> bool:
    """Return whether the log was read, and a while passes in which it is not read again."""
    log.reading.clear()
    for _ in range(20):
        await asyncio.sleep(0)
    return log.readings > 0 and not log.reading.is_set()
