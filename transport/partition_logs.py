"""What Kafka has of a partition now: which log it is, and from where to where it goes."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from transport.clients.stepping_consumer import SteppingConsumer
from transport.topic_ids import topic_ids

ASK_WITHIN = 5.0
"""Seconds to wait for Kafka's answers."""


@dataclass(frozen=True, slots=True)
class PartitionLog:
    """The log of a partition. start: its first offset that is kept; end: the one that its next record will get."""

    partition: TopicPartition
    topic_id: UUID
    start: int
    end: int


async def partition_logs(consumer: SteppingConsumer, partitions: Collection[TopicPartition]) -> list[PartitionLog]:
    """Return the log of each partition; one that no broker can describe now is left out.

    Raises: KafkaError, TimeoutError when nothing can be learnt at all.
    """
    async with asyncio.timeout(ASK_WITHIN):
        ids = await topic_ids(consumer.client, {one.topic for one in partitions})
    known = [one for one in partitions if one.topic in ids]
    try:
        bounds = await _bounds(consumer, known)
    except (KafkaError, TimeoutError):
        bounds = await _bounds_one_by_one(consumer, known)
    return [PartitionLog(one, ids[one.topic], *bounds[one]) for one in known if one in bounds]


Bounds = dict[TopicPartition, tuple[int, int]]


async def _bounds(consumer: SteppingConsumer, partitions: list[TopicPartition]) -> Bounds:
    async with asyncio.timeout(ASK_WITHIN):
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
    return {one: (starts[one], ends[one]) for one in partitions}


async def _bounds_one_by_one(consumer: SteppingConsumer, partitions: list[TopicPartition]) -> Bounds:
    """Ask for each alone: the client answers for none while one has no leader."""
    asked = await asyncio.gather(*(_bounds(consumer, [one]) for one in partitions), return_exceptions=True)
    found: Bounds = {}
    for bounds in asked:
        if isinstance(bounds, dict):
            found |= bounds
        elif not isinstance(bounds, (KafkaError, TimeoutError)):
            raise bounds
    return found
