"""Positions are only good for the log they were taken from."""

import asyncio
import time
from typing import Any, cast
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from tests.transport.support.writing import TOPIC
from transport import group_reading
from transport.batch import Batch
from transport.group_reading import GroupReader
from transport.partition_logs import PartitionLog
from transport.positions import GroupPosition, Placement, unread_because
from transport.records import Undecodable

FIRST, SECOND = UUID(int=1), UUID(int=2)


def test_a_position_is_good_for_its_own_log_alone() -> None:
    log = PartitionLog(TopicPartition(TOPIC, 0), FIRST, 0, 200)
    assert unread_because(GroupPosition(200, FIRST, None), log) is None
    assert unread_because(GroupPosition(200, None, None), log) is None
    assert unread_because(GroupPosition(0, SECOND, None), log) is None
    assert "recreated" in str(unread_because(GroupPosition(7, SECOND, None), log))
    assert "beyond the end" in str(unread_because(GroupPosition(201, FIRST, None), log))


class Client:
    """A consumer that holds partitions and remembers the calls it got."""

    def __init__(self, held: set[TopicPartition]) -> None:
        self.held = held
        self.sought: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.origins: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return self.held

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused -= set(partitions)

    async def commit(self, offsets: object) -> None:
        """Take them."""


class SlowPlaces:
    """Answers the first question only when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.asked = 0

    async def ask(self, _: object, partitions: set[TopicPartition]) -> Placement:
        self.asked += 1
        if self.asked == 1:
            await self.let.wait()
        return Placement(dict.fromkeys(partitions, 7))

    async def close(self) -> None: ...


async def test_a_late_answer_about_positions_forgets_nothing_of_a_newer_assignment() -> None:
    old, new = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
    places = SlowPlaces()
    member = GroupReader("tests", work=None, places=places)  # type: ignore[arg-type] - stand-ins
    client = Client({old})
    member.consumer = lambda: client  # type: ignore[assignment,return-value] - a stand-in
    late = asyncio.create_task(member.on_partitions_assigned({old}))
    while not places.asked:
        await asyncio.sleep(0)
    await member.on_partitions_revoked({old})
    client.held = {old, new}
    await member.on_partitions_assigned({old, new})
    places.let.set()
    await late
    assert member.positions == {old: 7, new: 7}
    assert not client.paused


class Idle:
    """Work that has nothing to do."""

    def handle(self, batch: Batch) -> None: ...


async def test_the_next_batch_is_asked_for_no_sooner_than_a_turn_takes() -> None:
    places, held = SlowPlaces(), TopicPartition(TOPIC, 0)
    places.let.set()
    member = GroupReader("tests", Idle(), cast("Any", places), turn_seconds=0.2)
    client = Client({held})
    member.consumer = lambda: client  # type: ignore[assignment,return-value] - a stand-in
    await member.on_partitions_assigned({held})
    client.origins = dict(member.positions)
    begun = time.monotonic()
    await member.receive([Undecodable(TOPIC, 0, 7, "any record will do")])
    assert time.monotonic() - begun >= 0.19
    assert member.positions == {held: 8}
    await member.close()


async def test_records_of_a_partition_without_a_known_position_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(group_reading.log, "error", lambda event, **_: said.append(event))
    member = GroupReader("tests", work=None, places=SlowPlaces())  # type: ignore[arg-type] - stand-ins
    client = Client({TopicPartition(TOPIC, 0)})
    member.consumer = lambda: client  # type: ignore[assignment,return-value] - a stand-in
    await member.receive([Undecodable(TOPIC, 0, 5, "any record will do")])
    assert said == ["records_dropped_without_position"]
