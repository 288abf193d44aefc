"""A topic read from its end, for as long as the api runs, even while Kafka is away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from transport.clients.kafka import KafkaConsumer, topic_reader
from transport.clients.stepping_consumer import MAX_RECORDS, SteppingConsumer
from transport.records import ConsumerRecord, KafkaRecord, Undecodable, next_offset
from transport.topics import partition_counts

log = structlog.get_logger(__name__)

PAUSE = 1.0
"""Seconds before Kafka is tried again."""
WAIT_MS = 1000
"""Milliseconds to wait for records before asking again."""

Positions = Mapping[int, int]
"""Offsets by partition."""


class Tail:
    """Hands every new committed record of a topic to ``take``; no consumer group, each api process reads all.

    begin: told the consumer and its partitions, says where to start; the end of each unless it seeks.
    A record that cannot be decoded, or that ``take`` raises at, is passed and logged; the next is handed on.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        take: Callable[[ConsumerRecord], None],
        begin: Callable[[KafkaConsumer, list[TopicPartition]], Awaitable[None]] | None = None,
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
                async with topic_reader(self._bootstrap, "api") as consumer:
                    await self._place(consumer)
                    self.reading.set()
                    await self._follow(consumer)
            except (KafkaError, OSError, KeyError) as error:  # KeyError: the topics do not exist yet
                log.warning("topic_not_readable", topic=self._topic, error=repr(error))
            except Exception:
                log.exception("topic_not_readable", topic=self._topic)
            finally:
                self.reading.clear()
            await asyncio.sleep(PAUSE)

    async def _follow(self, consumer: SteppingConsumer) -> None:
        while True:
            found = await consumer.getmany(timeout_ms=WAIT_MS, max_records=MAX_RECORDS)
            for partition, records in found.items():
                for record in records:
                    self._positions[partition] = next_offset(record)
                    self._judge(record)

    def _judge(self, record: KafkaRecord) -> None:
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        if isinstance(record, Undecodable):
            log.warning("undecodable_record_skipped", error=record.error, **place)
            return
        try:
            self._take(record)
        except Exception as error:  # noqa: BLE001 - anybody may write anything to a topic, and others wait behind it
            log.warning("foreign_record_skipped", error=repr(error)[:200], **place)

    async def _place(self, consumer: SteppingConsumer) -> None:
        count = (await partition_counts(self._bootstrap, [self._topic]))[self._topic]
        partitions = [TopicPartition(self._topic, partition) for partition in range(count)]
        consumer.assign(partitions)
        if not self._positions:
            await self._begin(consumer, partitions)
            self._positions = {partition: await consumer.position(partition) for partition in partitions}
        for partition, position in self._positions.items():
            consumer.seek(partition, position)


async def _at_the_end(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
    await consumer.seek_to_end(*partitions)
