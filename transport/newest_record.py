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
    return (await newest_values(bootstrap, [partition])).get(partition)


async def newest_values(bootstrap: str, partitions: Collection[TopicPartition]) -> dict[TopicPartition, bytes | None]:
    """Return the value of the newest committed record of each partition that has one.

    A transaction that has written there is waited for. Raises: as `newest_value`.
    """
    async with running(_consumer(bootstrap, "read_uncommitted")) as everything:
        # Up to here, and not to the last stable offset: an open transaction would hide the newest record.
        ends = await everything.end_offsets(list(partitions))
    found: dict[TopicPartition, bytes | None] = {}
    async with running(_consumer(bootstrap, "read_committed")) as committed:
        for tail in (TAIL_RECORDS, None):
            if missing := {one: end for one, end in ends.items() if end and one not in found}:
                committed.assign(list(missing))
                for partition, end in missing.items():
                    committed.seek(partition, 0 if tail is None else max(0, end - tail))
                found |= await _newest(committed, missing)
    return found


async def ever_written(bootstrap: str, partitions: Collection[TopicPartition]) -> bool:
    """Return whether anything was ever written to any of these, be it an aborted transaction."""
    async with running(_consumer(bootstrap, "read_uncommitted")) as everything:
        return any((await everything.end_offsets(list(partitions))).values())


def _consumer(bootstrap: str, isolation: Isolation) -> KafkaConsumer:
    return make_consumer(bootstrap, "relay", isolation=isolation, auto_offset_reset="earliest")


async def _newest(consumer: KafkaConsumer, ends: dict[TopicPartition, int]) -> dict[TopicPartition, bytes | None]:
    newest: dict[TopicPartition, bytes | None] = {}
    for partition, end in ends.items():
        while await consumer.position(partition) < end:
            for one, records in (await consumer.getmany(timeout_ms=200)).items():
                newest[one] = records[-1].value
    return newest
