"""Fenced writing: one transactional producer per partition, so that an earlier owner cannot write after a later one."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced, RecordListTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from transport.clients.kafka import make_transactional_producer, stop
from transport.marks import Mark, MarkPlace
from transport.metrics import TRANSACTION_RECORDS, TRANSACTION_SECONDS
from transport.partitioning import partition_of
from transport.records import OutgoingRecord

log = structlog.get_logger(__name__)

_TRANSACTION_TIMEOUT_SECONDS = 15.0
"""Seconds after which Kafka aborts a transaction whose producer went away."""
_STOP_SECONDS = 3.0
"""Seconds to wait for a producer to stop; a broken one is then left to itself."""


class Fenced(Exception):
    """Somebody else took the transactional id, and with it the right to write."""


class TooLarge(KafkaError):
    """Kafka refused some of the messages for their size. indexes: of those that travelled in a refused batch."""

    def __init__(self, indexes: Sequence[int]) -> None:
        super().__init__(f"{len(indexes)} messages travelled in a batch that is too large for Kafka")
        self.indexes = indexes


_MAX_BATCH_BYTES = 262_144
"""A batch is closed before it grows beyond; a larger record has one of its own."""


@dataclass(slots=True)
class _Batch:
    """Messages to one partition that travel together, and their indexes among all."""

    builder: BatchBuilder
    indexes: list[int]


class TransactionalProducer:
    """A producer that publishes a sequence of messages in one Kafka transaction, all or none, in order.

    After any failure it must not be used again: aiokafka's may then say yes to a commit that lost a record.
    """

    def __init__(self, bootstrap: str, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        writer, _, _ = transactional_id.rpartition("-")
        self._seconds, self._records = TRANSACTION_SECONDS.labels(writer), TRANSACTION_RECORDS.labels(writer)
        self._producer = make_transactional_producer(
            bootstrap, transactional_id, timeout_seconds=_TRANSACTION_TIMEOUT_SECONDS, max_batch_bytes=_MAX_BATCH_BYTES
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

    async def publish(self, messages: Sequence[OutgoingRecord], *, apart: bool = False) -> None:
        """Publish all of them, in order, or none. apart: each in a batch of its own.

        Raises: Fenced, TooLarge, or the KafkaError that stopped it; either way this producer is finished.
        """
        try:
            with self._seconds.time():
                await self._producer.begin_transaction()
                await self._send(messages, apart=apart)
                await self._producer.commit_transaction()
        except ProducerFenced as error:
            raise Fenced(self.transactional_id) from error
        self._records.observe(len(messages))

    async def publish_with_mark(self, messages: Sequence[OutgoingRecord], place: MarkPlace, name: str) -> Sequence[int]:
        """Publish messages to one partition, in order, together with a mark of that name; return their offsets.

        messages: at most `MAX_MARKED_RECORDS`. Raises: what `publish` raises; either way this producer is finished.
        """
        try:
            await self._producer.begin_transaction()
            sent = await self._send(messages, apart=False)
            offsets = [metadata.offset + index for batch, metadata in sent for index in range(len(batch.indexes))]
            marks = {place.partition: Mark(name, offsets).as_offset()}
            await self._producer.send_offsets_to_transaction(marks, place.group)
            await self._producer.commit_transaction()
        except ProducerFenced as error:
            raise Fenced(self.transactional_id) from error
        return offsets

    async def _send(self, messages: Sequence[OutgoingRecord], *, apart: bool) -> list[tuple[_Batch, RecordMetadata]]:
        """Send the messages, and return the batches that they travelled in with what Kafka says of each."""
        batches = await self._batches(messages, apart=apart)
        sent: list[tuple[_Batch, asyncio.Future[Any]]] = []
        try:
            for (topic, partition), some in batches.items():
                for batch in some:
                    future = await self._producer.send_batch(batch.builder, topic, partition=partition)
                    sent.append((batch, future))
            # A refused record does not fail the commit: every one is asked.
            answers = await asyncio.gather(*(future for _, future in sent))
        except KafkaError as error:
            # Whatever comes after a refused batch fails for other reasons.
            if refused := [index for batch, future in sent if _is_refused(future) for index in batch.indexes]:
                raise TooLarge(sorted(refused)) from error
            raise
        return [(batch, metadata) for (batch, _), metadata in zip(sent, answers, strict=True)]

    async def _batches(self, messages: Sequence[OutgoingRecord], *, apart: bool) -> dict[tuple[str, int], list[_Batch]]:
        """Put the messages into batches by hand: the client's own way costs four times as much a record."""
        batches: dict[tuple[str, int], list[_Batch]] = defaultdict(list)
        for index, message in enumerate(messages):
            partition = await self._partition_of_key(message) if message.partition is None else message.partition
            some = batches[message.topic, partition]
            if apart or not some or not _append(some[-1], index, message):
                some.append(_Batch(self._producer.create_batch(), []))
                _append(some[-1], index, message)
        return batches

    async def _partition_of_key(self, message: OutgoingRecord) -> int:
        count = len(await self._producer.partitions_for(message.topic))
        # A number of the system's own random ones costs more than everything else here.
        return partition_of(message.key, secrets.randbelow(count) if message.key is None else 0, count)

    async def stop(self) -> None:
        """Stop with a bound; a producer that failed may hang."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await stop(self._producer)
        except (TimeoutError, KafkaError) as error:
            log.warning("producer_stop_failed", transactional_id=self.transactional_id, error=repr(error))


def _is_refused(sent: asyncio.Future[Any]) -> bool:
    return (
        sent.done()
        and not sent.cancelled()
        and isinstance(sent.exception(), (MessageSizeTooLargeError, RecordListTooLargeError))
    )


def _append(batch: _Batch, index: int, message: OutgoingRecord) -> bool:
    added = batch.builder.append(timestamp=None, key=message.key, value=message.value, headers=message.headers)
    if added is None:
        return False
    batch.indexes.append(index)
    return True


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

    async def publish(self, partition: int, messages: Sequence[OutgoingRecord]) -> None:
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
