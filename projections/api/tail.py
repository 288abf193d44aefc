"""A topic read on from its end, for as long as the api runs, whatever happens to Kafka meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from transport.topics import partition_counts

log = structlog.get_logger(__name__)

PAUSE = 1.0
"""Seconds before Kafka is tried again."""

Record = ConsumerRecord[bytes, bytes]
Positions = Mapping[int, int]
"""Offsets by partition."""


class Tail:
    """Hands every new committed record of a topic to ``take``; no consumer group, each api process reads all.

    begin: told the consumer and its partitions, says where to start; the end of each unless it seeks.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        take: Callable[[Record], None],
        begin: Callable[[AIOKafkaConsumer, list[TopicPartition]], Awaitable[None]] | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._take = take
        self._begin = begin or _at_the_end
        self._positions: dict[TopicPartition, int] = {}
        self.reading = asyncio.Event()
        """Whether every record from now on will be taken."""

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                async with _connected(self._bootstrap) as consumer:
                    await self._place(consumer)
                    self.reading.set()
                    async for record in consumer:
                        self._positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
                        self._take(record)
            except (KafkaError, OSError, KeyError) as error:  # KeyError: the topics are not laid yet
                log.warning("the topic cannot be read now", topic=self._topic, error=repr(error))
            finally:
                self.reading.clear()
            await asyncio.sleep(PAUSE)

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        count = (await partition_counts(self._bootstrap))[self._topic]
        partitions = [TopicPartition(self._topic, partition) for partition in range(count)]
        consumer.assign(partitions)
        if not self._positions:
            await self._begin(consumer, partitions)
            self._positions = {partition: await consumer.position(partition) for partition in partitions}
        for partition, position in self._positions.items():
            consumer.seek(partition, position)


async def _at_the_end(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
    await consumer.seek_to_end(*partitions)


@asynccontextmanager
async def _connected(bootstrap: str) -> AsyncGenerator[AIOKafkaConsumer]:
    servers: Any = bootstrap.split(",")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        auto_offset_reset="latest",
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await asyncio.sleep(0)  # stopped right after its start, the client lets a CancelledError out
        await consumer.stop()
