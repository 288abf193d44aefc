"""Reading the end of topics: as far back as it takes, each record once, and no more kept than is wanted."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition

from service.reconcile import published
from service.reconcile.published import Wanted, last_records
from tests.service.support.records import raw
from transport.records import ConsumerRecord

ONE = TopicPartition("topic", 0)
RECORDS = [raw(value=b"", offset=offset) for offset in range(10_000)]


class Topic:
    """A topic of one partition, whose first records were deleted."""

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 100)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, len(RECORDS))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[range]:
    """Let the topic be read, and return the offsets of each look."""
    found: list[range] = []

    @asynccontextmanager
    async def topic_reader(*_: object) -> AsyncGenerator[Topic]:
        yield Topic()

    async def read_ranges(
        _kafka: str, ranges: Mapping[TopicPartition, range], _progress: object
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        found.extend(ranges.values())
        return {one: [RECORDS[offset] for offset in offsets] for one, offsets in ranges.items()}

    monkeypatch.setattr(published, "topic_reader", topic_reader)
    monkeypatch.setattr(published, "read_ranges", read_ranges)
    return found


async def read(wanted: Wanted) -> list[int]:
    """Return the offsets of the records that are found."""
    nothing: Any = None
    return [record.offset for record in (await last_records("kafka", [ONE], wanted, nothing))[ONE]]


async def test_each_record_is_read_once_and_only_what_is_wanted_is_kept(looks: list[range]) -> None:
    found = await read(Wanted(lambda _, one: one.offset >= 8_500, lambda _, look, _all: look[0].offset < 7_000))
    assert found == list(range(8_500, 10_000))
    assert looks == [range(9_000, 10_000), range(8_000, 9_000), range(6_000, 8_000)]


async def test_a_topic_that_has_not_enough_is_read_to_its_beginning(looks: list[range]) -> None:
    found = await read(Wanted(lambda *_: True, lambda *_: False))
    assert found == list(range(100, 10_000))
    assert sum(map(len, looks)) == len(found)
