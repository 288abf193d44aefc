"""Everything that came out is counted once."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from benchmarks.stopwatch import Watch

PARTITION = TopicPartition("invoice.events", 0)


class Topic:
    """A consumer of one partition, which holds the numbers from 0 on."""

    def __init__(self) -> None:
        self.end = 0
        self._position = 0

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, self.end)

    async def position(self, _: TopicPartition) -> int:
        return self._position

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._position = offset

    async def getmany(self, **_: object) -> Mapping[TopicPartition, Sequence[int]]:
        first, self._position = self._position, self.end
        return {PARTITION: range(first, self.end)}

    def assign(self, _: object) -> None: ...

    def pause(self, *_: object) -> None: ...

    def resume(self, *_: object) -> None: ...


async def test_what_comes_while_the_watch_reads_is_counted_once() -> None:
    topic: Any = Topic()
    watch = Watch(topic, {PARTITION: 0})
    topic.end = 2
    assert not await watch.looks_done(2)  # it may still grow
    assert await watch.looks_done(2)
    topic.end = 3
    assert [*await watch.read()] == [0, 1, 2]
    topic.end = 5
    assert not await watch.looks_done(2)
    assert await watch.looks_done(2)
    assert [*await watch.read()] == [3, 4]
