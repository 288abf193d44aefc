"""Marks: what a Kafka transaction leaves behind so that, after a crash, its process can tell whether it was committed.

A mark is the metadata of an offset that is committed in the transaction, for a group that reads nothing. Kafka keeps it
for a week after the last one (`offsets.retention.minutes`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import stamina
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from transport.clients import kafka

MAX_MARKED_RECORDS = 100
"""Records in one transaction: their offsets, of up to 20 digits, fit into the 4096 bytes that Kafka takes."""
_ANSWER_SECONDS = 10.0


class MarkPlace(NamedTuple):
    """Where the newest mark is: a group, and a partition of any topic that exists."""

    group: str
    partition: TopicPartition


class Mark(NamedTuple):
    """The mark of a transaction: its name, and the offsets of its records in order."""

    name: str
    offsets: Sequence[int]

    def as_offset(self) -> OffsetAndMetadata:
        """Return what is committed."""
        return OffsetAndMetadata(0, " ".join([self.name, *map(str, self.offsets)]))


async def newest_mark(bootstrap: str, place: MarkPlace) -> Mark | None:
    """Return the mark of the newest committed transaction, or None where there is none.

    Call it once earlier writers are fenced: their open transactions can then no longer be committed.
    Raises: KafkaError.
    """
    async with kafka.admin(bootstrap, place.group) as client:
        at = await _committed(client, place)
    if at is None or at.offset < 0:
        return None
    name, *offsets = at.metadata.split()
    return Mark(name, [int(offset) for offset in offsets])


def _passes(error: Exception) -> bool:
    return isinstance(error, KafkaError) and error.retriable


# A cluster that never had a group first makes room for them.
@stamina.retry(on=_passes, attempts=None, timeout=_ANSWER_SECONDS)
async def _committed(client: kafka.KafkaAdmin, place: MarkPlace) -> OffsetAndMetadata | None:
    found = await client.list_consumer_group_offsets(place.group, partitions=[place.partition])
    return found.get(place.partition)
