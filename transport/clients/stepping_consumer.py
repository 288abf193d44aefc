"""A Kafka consumer that steps over what the client itself cannot decode, and that never skips anything else."""

import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, cast

import structlog
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    LeaderNotAvailableError,
    OffsetOutOfRangeError,
)
from aiokafka.protocol.fetch import FetchRequest

from transport.clients import decompression
from transport.clients.consumer_client import ConsumerClient
from transport.records import ConsumerRecord, KafkaRecord, Undecodable

log = structlog.get_logger(__name__)

MAX_CALL_BYTES = 48 << 20
"""Bytes of compressed batches that one call inflates, and about what it hands out at the most."""
FETCH_MAX_BYTES = 16 << 20
"""Bytes of an answer of Kafka, as they come over the wire."""
MAX_RECORDS = 500
"""Records in one call that names no other number."""

decompression.install()


Durable = Callable[[], Mapping[TopicPartition, int]]
Misplaced = Callable[[Collection[TopicPartition]], Awaitable[None]]


class SteppingConsumer(ConsumerClient):
    """aiokafka's consumer, which also steps over what it cannot decode, and keeps what it hands out contiguous.

    Any exception out of the client's `getmany` throws away what the same call had drained of other partitions, although
    their positions have moved. So after any exception every partition is read again from where it durably stands; and
    a position that differs from the one that the call before left, without a seek by this class, is treated the same.

    A record that cannot be decoded raises again for ever: it is found, handed out as `Undecodable`, and passed.
    """

    def __init__(
        self,
        durable: Durable | None = None,
        misplaced: Misplaced | None = None,
        least_wait_ms: float = 0,
        gather_ms: float = 0,
        **options: Any,  # noqa: ANN401 - the client's own
    ) -> None:
        """Make a consumer.

        durable: says up to where what was handed out has been handled; by default all that was handed out is.
        misplaced: called with partitions whose position lies outside the log; by default they go to its beginning.
        least_wait_ms: the least time to wait for records; as soon as there are any, they are returned.
        gather_ms: the time to wait for more where some had come before the call: the client fetches no further while it
        holds some, so that others may be waiting in Kafka.
        """
        ours: dict[str, Any] = {"auto_offset_reset": "none", "fetch_max_bytes": FETCH_MAX_BYTES}
        super().__init__(**(ours | options))
        self._durable = durable or (lambda: self._reached)
        self._misplaced = misplaced or self._to_the_beginning
        self._least_wait_ms = least_wait_ms
        self._gather_ms = gather_ms
        self._seeks = 0
        self._reached: dict[TopicPartition, int] = {}
        self._assigned: object = None
        self.origins: Mapping[TopicPartition, int] = {}
        """Where each partition durably stood when what the last call returned was read."""

    @property
    def client(self) -> AIOKafkaClient:
        """The client below, for requests that a consumer does not make."""
        return self._client

    async def start(self) -> None:
        """Connect; close the client again where that fails, since whoever tries again makes another one."""
        try:
            await super().start()
        except KafkaError:
            await self.stop()
            raise

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Continue from an offset."""
        super().seek(partition, offset)
        self._seeks += 1
        self._reached[partition] = offset

    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: float = 0,
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Any]]:
        """Return what is there, as soon as anything is, at most max_records.

        Raises: KafkaError, for a fault that is not a record's; no record is passed by it.
        """
        self._stay_contiguous()
        try:
            return await self._drain(*partitions, wait_ms=timeout_ms, most=max_records)
        except ConsumerStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it threw away what had been drained
            failed = self._failed()
            self._go_back(failed)
            if failed is None:
                await self._not_of_a_record(error)
                return {}
            log.warning(
                "undecodable_record_searched",
                topic=failed[0].topic,
                partition=failed[0].partition,
                error=_describe(error),
            )
            return await self._up_to_undecodable(failed[0], max_records or MAX_RECORDS)
        finally:
            self._reached |= self._positions()

    async def _drain(
        self, *partitions: TopicPartition, wait_ms: float, most: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        with decompression.at_most(MAX_CALL_BYTES):
            if self._gather_ms and (drained := await self._ask(*partitions, wait_ms=0, most=most)):
                return await self._gather(drained, *partitions, most=most)
            return await self._ask(*partitions, wait_ms=max(wait_ms, self._least_wait_ms), most=most)

    async def _ask(
        self, *partitions: TopicPartition, wait_ms: float, most: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        drained = await super().getmany(*partitions, timeout_ms=int(wait_ms), max_records=most)
        self.origins = dict(self._durable())  # at once: at the next await a position may be reset
        return drained

    async def _gather(
        self, drained: dict[TopicPartition, list[ConsumerRecord]], *partitions: TopicPartition, most: int | None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Add what has come to Kafka while the client held what was drained."""
        room = None if most is None else most - sum(map(len, drained.values()))
        if room == 0 or self._subscription.reassignment_in_progress:  # else it would wait for the assignment
            return drained
        origins, held, seeks = self.origins, self._assignment(), self._seeks
        more = await self._ask(*partitions, wait_ms=self._gather_ms, most=room)
        self.origins = origins
        if held is not self._assignment() or seeks != self._seeks or self._subscription.reassignment_in_progress:
            self._go_back(None)  # both may hold the same records, and some may belong to another member by now
            return {}
        return drained | {one: [*drained.get(one, ()), *records] for one, records in more.items()}

    def _stay_contiguous(self) -> None:
        """Read again where the client's position is not the one that the last call left, nor one that we sought."""
        assignment = self._assignment()
        if assignment is not self._assigned:
            self._assigned, held = assignment, self._positions()
            self._reached = {partition: at for partition, at in self._reached.items() if held.get(partition) == at}
        for partition, position in self._positions().items():
            expected = self._reached.get(partition, position)
            if position != expected:
                log.error(
                    "client_skipped_records",
                    topic=partition.topic,
                    partition=partition.partition,
                    position=position,
                    expected=expected,
                )
                self.seek(partition, self._durable().get(partition, expected))

    def _go_back(self, failed: "tuple[TopicPartition, int] | None") -> None:
        """Read every partition again from where it durably stands."""
        held = self._positions()
        back = {partition: offset for partition, offset in self._durable().items() if partition in held}
        if failed and failed[0] not in back:
            back[failed[0]] = failed[1]  # what has been fetched of it cannot be read any further
        for partition, offset in back.items():
            self.seek(partition, offset)

    async def _not_of_a_record(self, error: Exception) -> None:
        if isinstance(error, OffsetOutOfRangeError):
            await self._misplaced(list(cast("dict[TopicPartition, int]", error.args[0])))
        elif isinstance(error, KafkaError):
            raise error
        else:
            raise KafkaError(repr(error)) from error

    async def _to_the_beginning(self, partitions: Collection[TopicPartition]) -> None:
        for partition, start in (await self.beginning_offsets(list(partitions))).items():
            log.warning(
                "position_outside_log",
                topic=partition.topic,
                partition=partition.partition,
                start=start,
            )
            self.seek(partition, start)

    async def _up_to_undecodable(self, partition: TopicPartition, most: int) -> dict[TopicPartition, list[KafkaRecord]]:
        """Read one by one up to what cannot be decoded, and continue after it."""
        found: list[KafkaRecord] = []
        self.origins = dict(self._durable())
        size, origin = 0, self.origins.get(partition)
        while len(found) < most and size < MAX_CALL_BYTES:
            try:
                one = await self._drain(partition, wait_ms=self._least_wait_ms or 1000, most=1)
            except ConsumerStoppedError:
                raise
            except Exception as error:
                failed = self._failed()
                if failed is None or failed[0] != partition:
                    if found:
                        break  # it comes again in the next call
                    raise
                found.append(await self._pass(*failed, error))
                break
            if self.origins.get(partition) != origin:
                return {}  # its position was reset in the meantime
            if not one:
                break
            found += one[partition]
            size += sum(len(record.value or b"") for record in one[partition])
        return {partition: found} if found else {}

    async def _pass(self, partition: TopicPartition, offset: int, error: Exception) -> Undecodable:
        """Continue after what cannot be decoded: a record, or all that is left of a batch."""
        of_one_record = isinstance(error, UnicodeDecodeError)
        last = offset if of_one_record else await self._last_of_batch(partition, offset)
        self.seek(partition, last + 1)
        where = "" if last == offset else f"the batch with the offsets {offset} to {last}: "
        return Undecodable(partition.topic, partition.partition, offset, where + _describe(error), last - offset + 1)

    async def _last_of_batch(self, partition: TopicPartition, offset: int) -> int:
        """Return the last offset of the batch that holds ``offset``; its header says so, whatever its records are."""
        node = self._client.cluster.leader_for_partition(partition)
        if node in {None, -1}:
            raise LeaderNotAvailableError(partition)
        wanted = [(partition.topic, [(partition.partition, offset, FETCH_MAX_BYTES)])]
        answer: Any = await self._client.send(node, FetchRequest(0, 1, FETCH_MAX_BYTES, 0, wanted))
        ((_, ((_, _, *_, batches),)),) = answer.topics
        return last_of_batch(batches or b"", offset)

    def _failed(self) -> tuple[TopicPartition, int] | None:
        """Return the partition and offset of what has just failed to decode, where something has.

        Only the client's record reader knows: its position may be that of a transaction marker before the record.
        """
        fetched: dict[TopicPartition, Any] = cast("Any", self)._fetcher._records  # noqa: SLF001 - the client says it nowhere else
        for partition, result in fetched.items():
            iterator = getattr(getattr(result, "_partition_records", None), "_records_iterator", None)
            if iterator is not None and iterator.gi_frame is None:  # the generator ended by raising
                return partition, int(result._partition_records.next_fetch_offset)  # noqa: SLF001 - the same
        return None

    def _assignment(self) -> Any:  # noqa: ANN401 - the client's own
        subscription = self._subscription.subscription
        return subscription and subscription.assignment

    def _positions(self) -> dict[TopicPartition, int]:
        """Return the client's position on each partition that it holds and has one for."""
        assignment = self._assignment()
        states = {} if assignment is None else {one: assignment.state_value(one) for one in assignment.tps}
        return {partition: state.position for partition, state in states.items() if state.has_valid_position}


_CONTROL = 0x20


def last_of_batch(batches: bytes, offset: int) -> int:
    """Return the last offset of the first batch of records that reaches ``offset``; ``offset`` where none does.

    batches: in Kafka's format 2, of whose header the first 27 bytes are read.
    """
    at = 0
    while at + 27 <= len(batches):
        base, length = struct.unpack_from(">qi", batches, at)
        attributes, last = struct.unpack_from(">hi", batches, at + 21)
        if base + last >= offset and not attributes & _CONTROL:
            return int(base + last)
        at += 12 + length
    return offset


def _describe(error: Exception) -> str:
    return str(error) or type(error).__name__
