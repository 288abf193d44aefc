"""The raw pipe: the least work with which the same bytes come in, lie in the store, and go out.

One process: take at most as many records as Redletter's worker takes, look each one's outcome up by the id in its
header (no decoding, no loading, no decision), write the same rows with the same statements in one transaction, then
publish the same messages in one Kafka transaction, while the next batch is being written. Nothing is read back.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks import recording
from benchmarks.recording import Outcome, Published, Recording
from events.topics import Channel
from service.store.event_store import Store
from service.store.write import Write
from service.worker.role import MAX_BATCH_RECORDS
from transport.positions import Move
from transport.producer import TransactionalProducer
from transport.topics import partition_counts


async def pipe(bootstrap: str, database_url: str, outcomes: Recording) -> None:
    """Pipe until cancelled."""
    counts = await partition_counts(bootstrap, list(Channel))
    partitions = [TopicPartition(channel, p) for channel in Channel for p in range(counts[channel])]
    store, producer = Store(database_url), TransactionalProducer(bootstrap, "benchmark.raw")
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed")
    consumer.assign(partitions)
    await consumer.start()
    await producer.start()
    positions = store.positions(partitions)
    for partition, position in positions.items():
        consumer.seek(partition, position)
    publishing: asyncio.Future[None] = asyncio.ensure_future(asyncio.sleep(0))
    while True:
        batch = await consumer.getmany(timeout_ms=1000, max_records=MAX_BATCH_RECORDS)
        if not batch:
            continue
        done = [outcomes[_id(record)] for record in chain.from_iterable(batch.values())]
        moves = [Move(p.topic, p.partition, positions[p], records[-1].offset + 1) for p, records in batch.items()]
        await asyncio.to_thread(store.save, _write(done, moves))
        positions |= {TopicPartition(move.topic, move.partition): move.next for move in moves}
        await publishing
        messages = list(chain.from_iterable(outcome.messages for outcome in done))
        publishing = asyncio.ensure_future(producer.publish(messages))


def _write(outcomes: Sequence[Outcome], moves: Sequence[Move]) -> Write:
    return Write(
        list(chain.from_iterable(outcome.entries for outcome in outcomes)),
        sorted(chain.from_iterable(outcome.claims for outcome in outcomes), key=lambda change: change.claim),
        moves,
    )


def _id(record: Published) -> bytes:
    return next(value for name, value in record.headers if name == "ce_id")


if __name__ == "__main__":
    _outcomes = recording.kept(Path(sys.argv[1]))
    # The outcomes stay for good: the collector need not look through them again and again.
    gc.freeze()
    asyncio.run(pipe(os.environ["REDLETTER_KAFKA_BOOTSTRAP_SERVERS"], os.environ["REDLETTER_DATABASE_URL"], _outcomes))
