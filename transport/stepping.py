"""A Kafka consumer that steps over a record which the client itself cannot decode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import ConsumerRecord as KafkaRecord

ConsumerRecord = KafkaRecord[bytes | None, bytes | None]

IDLE_WAIT = 1000
"""Milliseconds to wait for records before asking again."""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that the Kafka client itself cannot decode: a header name that is not UTF-8."""

    topic: str
    partition: int
    offset: int
    error: str


Record = ConsumerRecord | Undecodable


class SteppingConsumer(AIOKafkaConsumer):
    """aiokafka's consumer, which also steps over a record that it cannot decode.

    Such a record raises UnicodeDecodeError out of every `getmany` for ever, and what the same call had drained of
    other partitions is gone although their positions have moved.
    """

    def __init__(self, durable: Callable[[], Mapping[TopicPartition, int]], **options: Any) -> None:  # noqa: ANN401 - the client's own
        """Make a consumer. durable: says up to where what was handed out has been handled."""
        super().__init__(**options)
        self._durable = durable

    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: float = 0,  # noqa: ARG002 - the framework sleeps as long again after an empty call, so it is kept small there
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Any]]:
        """Return what is there, as soon as anything is, at most max_records."""
        try:
            return await super().getmany(*partitions, timeout_ms=IDLE_WAIT, max_records=max_records)
        except UnicodeDecodeError:
            failed, _ = self._failed()
            for partition, offset in self._durable().items():
                self.seek(partition, offset)
            return {failed: await self._up_to_undecodable(failed, max_records or 500)}

    async def _up_to_undecodable(self, partition: TopicPartition, most: int) -> list[Record]:
        """Read one by one up to the record that cannot be decoded, and go on behind it."""
        found: list[Record] = []
        while len(found) < most:
            try:
                one = await super().getmany(partition, timeout_ms=IDLE_WAIT, max_records=1)
            except UnicodeDecodeError as error:
                _, offset = self._failed()
                self.seek(partition, offset + 1)
                return [*found, Undecodable(partition.topic, partition.partition, offset, str(error))]
            if not one:
                break
            found += one[partition]
        return found

    def _failed(self) -> tuple[TopicPartition, int]:
        """Return the partition and offset of the record that has just failed to decode.

        Only the client's record reader knows: its position may be that of a transaction marker before the record.
        """
        fetched: dict[TopicPartition, Any] = cast("Any", self)._fetcher._records  # noqa: SLF001
        for partition, result in fetched.items():
            reader = getattr(result, "_partition_records", None)
            if reader is not None and reader._records_iterator.gi_frame is None:  # noqa: SLF001 - the generator ended by raising
                return partition, int(reader.next_fetch_offset)
        msg = "a record could not be decoded, and the client does not say which"
        raise LookupError(msg)
