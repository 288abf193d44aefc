"""Dead letters on their topic, as the relay writes them, and in the read model."""

from collections.abc import Iterable, Sequence

import psycopg
from aiokafka import AIOKafkaProducer

from events.topics import DEAD_LETTERS_TOPIC, Channel
from projections.dead_letters.table import DeadLetters
from tests.projections.support.published import record
from transport.addresses import Addresses
from transport.records import Headers, OutgoingRecord

CUSTOMER = Channel.CUSTOMER.value


def letter(  # noqa: PLR0913 - what a dead letter has
    offset: int,
    *,
    topic: str = CUSTOMER,
    partition: int = 0,
    key: bytes | None = b"key",
    value: bytes | None = b"{",
    headers: Headers = (),
    reason: str = "MALFORMED_COMMAND",
    at: str = "2026-02-13T09:30:00+00:00",
) -> OutgoingRecord:
    """Return the dead letter of a record that lay at a place."""
    added = {
        "dl_reason": reason,
        "dl_error": "why",
        "dl_topic": topic,
        "dl_partition": str(partition),
        "dl_offset": str(offset),
        "dl_time": at,
    }
    return OutgoingRecord(
        DEAD_LETTERS_TOPIC, key, value, [*headers, *((name, text.encode()) for name, text in added.items())], 0
    )


async def bury(addresses: Addresses, letters: Sequence[OutgoingRecord]) -> None:
    """Write dead letters to partition 0 of their topic, and project them."""
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
        project(addresses, letters, [await _send(producer, one) for one in letters])


def project(addresses: Addresses, letters: Sequence[OutgoingRecord], offsets: Iterable[int] | None = None) -> None:
    """Project dead letters that lie at these offsets of partition 0, by default at the first ones."""
    records = [record(one, offset) for one, offset in zip(letters, offsets or range(len(letters)), strict=True)]
    with psycopg.connect(addresses.database) as connection, connection.cursor() as cur:
        DeadLetters().project(cur, records)


async def _send(producer: AIOKafkaProducer, message: OutgoingRecord) -> int:
    """Send a message in a batch of its own, since the client's `send` takes none without key and value."""
    batch = producer.create_batch()
    batch.append(timestamp=None, key=message.key, value=message.value, headers=list(message.headers))
    return (await (await producer.send_batch(batch, message.topic, partition=0))).offset
