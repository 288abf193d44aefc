"""A batch of records, and the work that a consumer group does with one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from aiokafka import TopicPartition

from transport.positions import Move
from transport.records import KafkaRecord, next_offset


@dataclass(frozen=True)
class Batch:
    """Records in order within each partition. starts: the offset that each of their partitions was read from."""

    records: Sequence[KafkaRecord]
    starts: Mapping[TopicPartition, int]

    @cached_property
    def ends(self) -> Mapping[TopicPartition, int]:
        """The offset behind the last record of each partition."""
        ends = {(record.topic, record.partition): next_offset(record) for record in self.records}
        return {TopicPartition(*place): end for place, end in ends.items()}

    @cached_property
    def moves(self) -> Sequence[Move]:
        """The steps that the positions of the group take with this batch."""
        return [Move(*partition, was=self.starts[partition], next=end) for partition, end in self.ends.items()]

    def partitions(self) -> list[TopicPartition]:
        """Return the partitions of its records, in order."""
        return sorted(self.ends)

    def of(self, partitions: Collection[TopicPartition]) -> "Batch":
        """Return the part of the batch that lies in these partitions."""
        return Batch([record for record in self.records if (record.topic, record.partition) in partitions], self.starts)

    def halves(self) -> "tuple[Batch, Batch]":
        """Split the batch in two that follow each other, so that a fault can be narrowed down."""
        middle = len(self.records) // 2
        first = Batch(self.records[:middle], self.starts)
        return first, Batch(self.records[middle:], {**self.starts, **first.ends})


class PartitionsStopped(Exception):
    """These partitions of a batch cannot be processed now; the batch's records of the others are done."""

    def __init__(self, partitions: Collection[TopicPartition]) -> None:
        super().__init__(", ".join(f"{topic}[{partition}]" for topic, partition in sorted(partitions)))
        self.partitions = frozenset(partitions)


class Work(Protocol):
    """One consumer group's work.

    Called one call at a time, in a thread that serves no other group. Its positions are those of the group.
    """

    def handle(self, batch: Batch) -> None:
        """Process the batch and commit its positions in one transaction.

        Raises: PositionLost when another worker owns a partition now: the batch is dropped. PartitionsStopped when
        some partitions cannot be processed: they alone are left, and later read again from their stored positions.
        Unfit when this process can do no more of the work: it leaves the group.
        Any other exception is a fault: it is logged and the same batch is handled again, after a growing pause.
        """
        ...
