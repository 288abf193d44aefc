"""Fenced writing: one transactional producer per partition, so that an earlier owner cannot write after a later one."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from transport.message import Message

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT = 15.0
"""Seconds after which Kafka aborts a transaction whose producer went away."""
STOP_WITHIN = 3.0
"""Seconds to wait for a producer to stop; a broken one is then left to itself."""


class Fenced(Exception):
    """Somebody else took the transactional id, and with it the right to write."""


class TransactionalProducer:
    """A producer that publishes a sequence of messages in one Kafka transaction, all or none, in order.

    After any failure it must not be used again: aiokafka's may then say yes to a commit that lost a record.
    """

    def __init__(self, bootstrap: str, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self._producer = AIOKafkaProducer(
            bootstrap_servers=cast("Any", bootstrap.split(",")),  # typed as one string only
            transactional_id=transactional_id,
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT * 1000),
            acks="all",
            max_batch_size=262_144,
            max_request_size=6 << 20,
            retry_backoff_ms=20,
        )

    async def start(self) -> None:
        """Fence whoever had the transactional id, abort what they left open, and wait for that.

        Raises: KafkaError while the broker cannot be reached.
        """
        try:
            await self._producer.start()
        except BaseException:
            await self.stop()
            raise

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish all of them, in order, or none.

        Raises: Fenced, or the KafkaError that stopped it; either way this producer is finished.
        """
        try:
            await self._producer.begin_transaction()
            sent = [await self._send(message) for message in messages]
            # A refused record does not fail the commit: every one is asked.
            await asyncio.gather(*sent)
            await self._producer.commit_transaction()
        except ProducerFenced as error:
            raise Fenced(self.transactional_id) from error

    async def _send(self, message: Message) -> asyncio.Future[Any]:
        if message.key is None and message.value is None:
            return await self._send_bare(message)
        return await self._producer.send(
            message.topic,
            value=message.value,
            key=message.key,
            partition=message.partition,
            headers=message.headers,
        )

    async def _send_bare(self, message: Message) -> asyncio.Future[Any]:
        """Send a record with neither key nor value, which Kafka takes and the client's `send` does not."""
        partitions = await self._producer.partitions_for(message.topic)
        partition = secrets.choice(sorted(partitions)) if message.partition is None else message.partition
        batch = self._producer.create_batch()
        batch.append(key=None, value=None, timestamp=None, headers=message.headers)
        return await self._producer.send_batch(batch, message.topic, partition=partition)

    async def stop(self) -> None:
        """Stop with a bound; a producer that failed may hang."""
        try:
            await asyncio.wait_for(self._producer.stop(), STOP_WITHIN)
        except (TimeoutError, KafkaError) as error:
            log.warning("producer did not stop cleanly", transactional_id=self.transactional_id, error=repr(error))


class FencedProducers:
    """The transactional producers of the partitions that this process owns, ``name-0``, ``name-1`` and so on."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._bootstrap = bootstrap
        self._name = name
        self._producers: dict[int, TransactionalProducer] = {}

    async def own(self, partitions: frozenset[int]) -> None:
        """Own exactly these partitions: fence whoever had the new ones, let go of the others.

        Raises: KafkaError while the broker cannot be reached.
        """
        gone = [self._producers.pop(partition) for partition in self._producers.keys() - partitions]
        await asyncio.gather(*(producer.stop() for producer in gone))
        new = partitions - self._producers.keys()
        # Every one is waited for: one still starting would take its id again beside the next try's.
        taken = await asyncio.gather(*(self._take(partition) for partition in new), return_exceptions=True)
        for failure in taken:
            if failure is not None:
                raise failure

    async def publish(self, partition: int, messages: Sequence[Message]) -> None:
        """Publish to a partition that is owned, in one transaction and in order.

        Raises: Fenced when another process owns it now, KafkaError for a failure; the producer is replaced by the
        next `own`.
        """
        producer = self._producers.get(partition)
        if producer is None:
            name = f"{self._name}-{partition}"
            raise Fenced(name)
        try:
            await producer.publish(messages)
        except BaseException:
            self._producers.pop(partition, None)
            await producer.stop()
            raise

    async def close(self) -> None:
        """Let go of everything."""
        await self.own(frozenset())

    async def _take(self, partition: int) -> None:
        producer = TransactionalProducer(self._bootstrap, f"{self._name}-{partition}")
        await producer.start()
        self._producers[partition] = producer
