"""The raw pipe of a rebuild: consume the same bytes and load the same rows, decode and fold nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.fresh_servers import PARTITIONS
from events.topics import EVENTS_TOPIC
from projections.rebuild.filling import MAX_FILL_RECORDS
from transport.addresses import Addresses

_RAW_TABLE: LiteralString = """
    drop table if exists raw_status;
    create table raw_status (invoice_number text collate "C" primary key, version integer not null,
        account_id text not null, document json not null) with (fillfactor = 70)
"""
_LOAD: LiteralString = "copy raw_status (invoice_number, version, account_id, document) from stdin"


async def load_raw(addresses: Addresses, events: int) -> None:
    """Consume so many events and load the rows of a rebuilt status model, overlapped as ours are."""
    with psycopg.connect(addresses.database) as connection:
        rows = connection.execute("select invoice_number, version, account_id, document::text from projections.status")
        loaded = rows.fetchall()
        connection.execute(_RAW_TABLE)
    partitions = [TopicPartition(EVENTS_TOPIC, partition) for partition in range(PARTITIONS)]
    servers: Any = addresses.kafka.split(",")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=50 << 20,
        max_partition_fetch_bytes=4 << 20,
    )
    consumer.assign(partitions)
    await consumer.start()
    done, writing = 0, asyncio.ensure_future(asyncio.sleep(0))
    with psycopg.connect(addresses.database) as connection:
        while done < events:
            batch = await consumer.getmany(timeout_ms=500, max_records=MAX_FILL_RECORDS)
            before, done = done, done + sum(map(len, batch.values()))
            await writing
            part = loaded[before * len(loaded) // events : done * len(loaded) // events]
            writing = asyncio.ensure_future(asyncio.to_thread(_copy, connection, part))
        await writing
    await consumer.stop()


def _copy(connection: psycopg.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    with connection.cursor() as cur, cur.copy(_LOAD) as copy:
        for row in rows:
            copy.write_row(row)
    connection.commit()
