"""One record never costs another: what the client cannot read is passed alone, and nothing else is ever skipped."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, RequestTimedOutError
from confluent_kafka import Producer

from tests.support.kafka_codecs import CODECS
from tests.support.undecodable import publish_undecodable
from tests.transport.support.writing import TOPIC, Writing, consuming, publish, until
from transport.addresses import Addresses
from transport.clients import stepping_consumer
from transport.clients.decompression import MAX_INFLATED_BATCH_BYTES
from transport.clients.stepping_consumer import SteppingConsumer, last_of_batch
from transport.records import Undecodable

VALUES = [f"value-{index}" for index in range(200)]
SPOILT = "spoilt"
NOWHERE = "127.0.0.1:1"


def publish_compressed(addresses: Addresses, codec: str, values: list[bytes], partition: int = 0) -> None:
    """Publish with librdkafka, as most programs outside Java do."""
    producer = Producer({"bootstrap.servers": addresses.kafka, "compression.type": codec, "linger.ms": 50})
    for value in values:
        producer.produce(TOPIC, value, partition=partition)
    assert producer.flush(60) == 0


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytearray], None]], None]:
    """Change the batches that hold the word `spoilt` on their way from Kafka."""

    def install(change: Callable[[bytearray], None]) -> None:
        send = AIOKafkaClient.send

        async def spoiling(self: Any, node: Any, request: Any, **options: Any) -> Any:
            answer = await send(self, node, request, **options)
            if type(answer).__name__.startswith("FetchResponse"):
                answer.topics = [
                    (topic, [(*rest, _changed(bytes(data or b""), change)) for *rest, data in partitions])
                    for topic, partitions in answer.topics
                ]
            return answer

        monkeypatch.setattr(AIOKafkaClient, "send", spoiling)

    return install


def _changed(data: bytes, change: Callable[[bytearray], None]) -> bytes:
    batches, at = bytearray(), 0
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at + 8 : at + 12], "big")
        batch = bytearray(data[at:end])
        if SPOILT.encode() in batch:
            change(batch)
        batches += batch
        at = end
    return bytes(batches)


def _wrong_checksum(batch: bytearray) -> None:
    batch[-1] ^= 0xFF


def _unknown_codec(batch: bytearray) -> None:
    from aiokafka.record.util import calc_crc32c

    batch[22] |= 7
    batch[17:21] = calc_crc32c(bytes(batch[21:])).to_bytes(4, "big")


@pytest.mark.parametrize("codec", CODECS)
async def test_every_codec_is_read(addresses: Addresses, codec: str) -> None:
    work = Writing(addresses.database)
    await asyncio.to_thread(publish_compressed, addresses, codec, [value.encode() for value in VALUES])
    async with consuming(addresses, work):
        await until(lambda: len(work.seen()) >= len(VALUES))
    assert work.seen() == VALUES


@pytest.mark.parametrize("change", [_wrong_checksum, _unknown_codec])
async def test_a_batch_that_cannot_be_read_is_passed_and_harms_no_other(
    addresses: Addresses, spoil: Callable[[Callable[[bytearray], None]], None], change: Callable[[bytearray], None]
) -> None:
    work = Writing(addresses.database)
    for partition in (0, 3, 5):
        await publish(addresses, VALUES[:50], partition)
    await publish(addresses, [SPOILT, SPOILT], 3)
    for partition in (0, 3, 5):
        await publish(addresses, VALUES[50:100], partition)
    spoil(change)
    async with consuming(addresses, work, max_records=30):
        await until(lambda: len(work.seen()) >= 301)
    assert work.seen(0) == work.seen(5) == VALUES[:100]
    assert work.seen(3) == [*VALUES[:50], "undecodable", *VALUES[50:100]]


async def test_a_batch_that_inflates_too_far_is_passed(addresses: Addresses) -> None:
    work = Writing(addresses.database)
    await publish(addresses, VALUES[:20], 1)
    bombs = [b"0" * 9_000_000] * (MAX_INFLATED_BATCH_BYTES // 9_000_000 + 1)
    producer = Producer(
        {
            "bootstrap.servers": addresses.kafka,
            "compression.type": "zstd",
            "linger.ms": 5000,
            "batch.size": 1 << 30,
            "message.max.bytes": 100_000_000,
        }
    )
    for bomb in bombs:
        producer.produce(TOPIC, bomb, partition=1)
    assert await asyncio.to_thread(producer.flush, 30) == 0
    await publish(addresses, VALUES[20:40], 1)
    async with consuming(addresses, work):
        await until(lambda: len(work.seen()) >= 41)
    assert work.seen(1) == [*VALUES[:20], "undecodable", *VALUES[20:40]]


async def test_any_exception_out_of_the_client_loses_nothing(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Writing(addresses.database)
    for partition in range(4):
        await publish(addresses, VALUES[:50], partition)
    drained, failures = AIOKafkaConsumer.getmany, [LookupError("a fault"), KafkaError("a trouble"), MemoryError()]

    async def failing(self: Any, *args: Any, **options: Any) -> Any:
        found = await drained(self, *args, **options)
        if found and failures:
            raise failures.pop()
        return found

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", failing)
    async with consuming(addresses, work, max_records=30):
        await until(lambda: len(work.seen()) >= 200)
    for partition in range(4):
        assert work.seen(partition) == VALUES[:50]


@asynccontextmanager
async def reader(addresses: Addresses, partition: TopicPartition) -> AsyncGenerator[SteppingConsumer]:
    consumer = SteppingConsumer(bootstrap_servers=addresses.kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        yield consumer
    finally:
        await consumer.stop()


async def everything(consumer: SteppingConsumer, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200, max_records=20)).values():
                found += records
    return found


async def test_a_consumer_stops_while_a_fetch_pauses_after_a_failure(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own cancellation would come out of stop() otherwise, and the caller end as if it had been cancelled."""
    failed = asyncio.Event()
    consumer = SteppingConsumer(bootstrap_servers=addresses.kafka, enable_auto_commit=False, retry_backoff_ms=600_000)
    await consumer.start()
    send = consumer.client.send

    async def fail(node: Any, request: Any, **options: Any) -> Any:
        if type(request).__name__.startswith("FetchRequest"):
            asyncio.get_running_loop().call_soon(failed.set)
            raise RequestTimedOutError
        return await send(node, request, **options)

    monkeypatch.setattr(consumer.client, "send", fail)
    consumer.assign([TopicPartition(TOPIC, 0)])
    consumer.seek(TopicPartition(TOPIC, 0), 0)
    await asyncio.wait_for(failed.wait(), 60)
    await consumer.stop()
    connections = cast("Any", consumer.client)._conns.values()
    assert not any(connection.connected() for connection in connections)


async def test_a_client_that_skips_records_is_taken_back(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two calls its position moves, as if it had drained records and lost them."""
    partition = TopicPartition(TOPIC, 0)
    await publish(addresses, VALUES[:100])
    said: list[str] = []
    monkeypatch.setattr(stepping_consumer.log, "error", lambda event, **_: said.append(event))
    async with reader(addresses, partition) as consumer:
        first = await everything(consumer, 20)
        AIOKafkaConsumer.seek(consumer, partition, 57)
        rest = await everything(consumer, 80)
    assert [record.offset for record in [*first, *rest]] == list(range(100))
    assert said == ["client_skipped_records"]


async def test_without_a_group_an_undecodable_record_is_passed_too(addresses: Addresses) -> None:
    await publish(addresses, VALUES[:5])
    await publish_undecodable(addresses.kafka, TOPIC)
    await publish(addresses, VALUES[5:10])
    async with reader(addresses, TopicPartition(TOPIC, 0)) as consumer:
        found = await everything(consumer, 11)
    assert [record.offset for record in found] == list(range(11))
    assert [isinstance(record, Undecodable) for record in found].index(True) == 5


def test_the_last_offset_of_a_batch_stands_in_its_header() -> None:
    def header(base: int, last: int, attributes: int = 0) -> bytes:
        head = base.to_bytes(8, "big") + (49).to_bytes(4, "big") + bytes(9)
        return head + attributes.to_bytes(2, "big") + last.to_bytes(4, "big") + bytes(34)

    batches = header(10, 4) + header(15, 0, attributes=0x20) + header(16, 9)
    assert [last_of_batch(batches, offset) for offset in (10, 14, 15, 16, 25, 26)] == [14, 14, 25, 25, 25, 26]


async def test_a_consumer_that_cannot_start_leaves_nothing_open() -> None:
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
    with pytest.raises(KafkaError):
        await SteppingConsumer(bootstrap_servers=NOWHERE).start()
    gc.collect()
    assert said == []
