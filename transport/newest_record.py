"""Read the newest committed record of a partition, and whether anything was ever written to one."""

from collections.abc import Collection

from aiokafka import TopicPartition

from transport.clients.kafka import Isolation, KafkaConsumer, make_consumer, running

TAIL_RECORDS = 100
"""Records to look at first; the newest one that is committed is nearly always among them."""


async def newest_value(bootstrap: str, partition: TopicPartition) -> bytes | None:
    """Return the value of the newest committed record, or None where there is none.

    Call it once earlier writers are fenced: their open transactions can then no longer be committed.
    Raises: KafkaError while the broker cannot be reached.
    """
    async with running(_consumer(bootstrap, "read_uncommitted")) as everything:
        # Up to here, and not to the last stable offset: an open transaction would hide the newest record.
        end = (await everything.end_offsets([partition]))[partition]
    async with running(_consumer(bootstrap, "read_committed")) as committed:
        committed.assign([partition])
        for start in sorted({max(0, end - TAIL_RECORDS), 0}, reverse=True):
            committed.seek(partition, start)
            if (newest := await _newest(committed, partition, end)) is not None:
                return newest
    return None


async def ever_written(bootstrap: str, partitions: Collection[TopicPartition]) -> bool:
    """Return whether anything was ever written to any of these, be it an aborted transaction."""
    async with running(_consumer(bootstrap, "read_uncommitted")) as everything:
        return any((await everything.end_offsets(list(partitions))).values())


def _consumer(bootstrap: str, isolation: Isolation) -> KafkaConsumer:
    return make_consumer(bootstrap, "relay", isolation=isolation, auto_offset_reset="earliest")


async def _newest(consumer: KafkaConsumer, partition: TopicPartition, end: int) -> bytes | None:
    newest: bytes | None = None
    while await consumer.position(partition) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            newest = records[-1].value
    return newest
