"""What waits is published by whoever owns its partition, also when Kafka was away as the partition was assigned."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import KafkaConnectionError
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from local import ports
from tests.faults.support.evidence import everything
from transport.addresses import Addresses
from transport.clients.postgres import connect_async
from transport.outbox import FencedPublisher
from transport.producer import Fenced, FencedProducers
from transport.records import OutgoingRecord

TOPIC = "tax.requests"
NAME = "tests.outbox"


class OneEach:
    """`transport.outbox.Outbox` with one record in each of some partitions."""

    def __init__(self, database: str, partitions: Collection[int]) -> None:
        self.database = database
        self.waiting = set(partitions)

    async def connect(self) -> AsyncConnection[TupleRow]:
        """Open a session."""
        return await connect_async(self.database, "tests")

    async def publish_waiting(
        self,
        connection: AsyncConnection[TupleRow],  # noqa: ARG002 - what waits here is in memory
        publisher: FencedPublisher,
    ) -> bool:
        """Publish what waits in the owned partitions."""
        for partition in sorted(self.waiting & publisher.owned):
            await publisher.publish(partition, [message(partition)])
            self.waiting.remove(partition)
        return False

    def assigned(self, partitions: frozenset[int]) -> None:
        """Learn nothing."""

    async def failed(self, partitions: Collection[int], error: Exception) -> None:
        """Learn nothing."""

    def close(self) -> None:
        """Hold nothing."""


def message(partition: int) -> OutgoingRecord:
    return OutgoingRecord(TOPIC, b"key", b"%d" % partition, [], partition)


@asynccontextmanager
async def forwarding(port: int, bootstrap: str) -> AsyncGenerator[None]:
    """Let Kafka be reached at another port too, for the length of a block."""
    host, _, kafka_port = bootstrap.rpartition(":")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while received := await source.read(65_536):
            sink.write(received)
        sink.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kafka_reader, kafka_writer = await asyncio.open_connection(host, int(kafka_port))
        await asyncio.gather(pump(reader, kafka_writer), pump(kafka_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", port):
        yield


async def test_partitions_that_could_not_be_taken_when_they_were_assigned_are_taken_at_the_next_turn(
    addresses: Addresses,
) -> None:
    partitions, (port,) = frozenset({0, 1}), ports.free(1)
    earlier = FencedProducers(addresses.kafka, NAME)
    await earlier.own(partitions)
    outbox = OneEach(addresses.database, partitions)
    publisher = FencedPublisher(FencedProducers(f"127.0.0.1:{port}", NAME), outbox, name="tests", look_seconds=0.1)
    with pytest.raises(KafkaConnectionError):
        await publisher.assigned_at_once(partitions)
    assert publisher.owned == frozenset()
    async with forwarding(port, addresses.kafka):
        publishing = asyncio.create_task(publisher.run())
        async with asyncio.timeout(60):
            while outbox.waiting:
                await asyncio.sleep(0.05)
        with pytest.raises(Fenced):
            await earlier.publish(0, [message(0)])
        publishing.cancel()
        await asyncio.wait({publishing})
    await earlier.close()
    assert sorted(record.value or b"" for record in await everything(addresses.kafka, TOPIC)) == [b"0", b"1"]
