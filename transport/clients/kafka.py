"""Every Kafka client of the program is made here, so that each connects in the same way and bears a name.

bootstrap is always ``host:port`` joined by commas. role names the client to the broker, as ``redletter.<role>``.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, TypeVar, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from faststream.kafka import KafkaBroker
from faststream.types import LoggerProto

from transport.clients.consumer_client import ConsumerClient
from transport.clients.stepping_consumer import Durable, Misplaced, SteppingConsumer
from transport.clients.transactional_client import TransactionalClient
from transport.kafka_security import KafkaSecurity
from transport.tasks import is_cancelled

KafkaConsumer = AIOKafkaConsumer
KafkaProducer = AIOKafkaProducer
KafkaAdmin = AIOKafkaAdminClient
KafkaClient = AIOKafkaClient
"""The clients' types, for annotations."""
Isolation = Literal["read_committed", "read_uncommitted"]

READER_TIMEOUT_MS = 10_000
"""Milliseconds that a topic reader waits for Kafka's response: somebody waits for what is read."""

_Startable = TypeVar("_Startable", AIOKafkaConsumer, SteppingConsumer, AIOKafkaProducer)


_security_options: dict[str, Mapping[str, Any]] = {}


def secure(bootstrap: str, security: KafkaSecurity) -> None:
    """Let every client of this process connect so to these servers from now on. Raises: UnusableSecurity."""
    _security_options[bootstrap] = security.options()


def _connection(bootstrap: str, role: str) -> dict[str, Any]:
    """Return what every client needs to connect."""
    name = f"redletter.{role.removeprefix('redletter.')}"
    return {"bootstrap_servers": bootstrap, "client_id": name, **_security_options.get(bootstrap, {})}


def make_consumer(
    bootstrap: str,
    role: str,
    *topics: str,
    isolation: Isolation = "read_committed",
    **options: Any,  # noqa: ANN401 - the client's own
) -> AIOKafkaConsumer:
    """Make a consumer, which is not started yet. options: aiokafka's."""
    return ConsumerClient(*topics, **_connection(bootstrap, role), isolation_level=isolation, **options)


def make_producer(bootstrap: str, role: str, **options: Any) -> AIOKafkaProducer:  # noqa: ANN401 - the client's own
    """Make a producer that waits for all replicas in sync; it is not started yet. options: aiokafka's."""
    return AIOKafkaProducer(**_connection(bootstrap, role), acks="all", **options)


def make_transactional_producer(
    bootstrap: str, transactional_id: str, *, timeout_seconds: float, max_batch_bytes: int
) -> AIOKafkaProducer:
    """Make a producer with a transactional id; its start fences whoever had the id before."""
    return TransactionalClient(
        **_connection(bootstrap, transactional_id),
        acks="all",
        transactional_id=transactional_id,
        transaction_timeout_ms=int(timeout_seconds * 1000),
        max_batch_size=max_batch_bytes,
        # The broker still writes the markers of a transaction when the next begins. Asked again after 2 ms, and not
        # after the default of 100 ms, a small transaction takes 2 ms instead of 24.
        retry_backoff_ms=2,
    )


@asynccontextmanager
async def running(client: _Startable) -> AsyncGenerator[_Startable]:
    """Run a consumer or producer for the length of a block. Raises: KafkaError while Kafka cannot be reached."""
    try:
        await client.start()
        yield client
    finally:
        await stop(client)


async def stop(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Stop a consumer or producer, started or not. It ends as cancelled only if the caller was."""
    # A client's background task that is cancelled before its first step lets a CancelledError out of stop(), and so do
    # others that end while it awaits them.
    await asyncio.sleep(0)
    try:
        await client.stop()
    except asyncio.CancelledError:
        if is_cancelled():
            raise


@asynccontextmanager
async def topic_reader(
    bootstrap: str, role: str, *, isolation: Isolation = "read_committed"
) -> AsyncGenerator[SteppingConsumer]:
    """Yield a consumer without a group; the caller assigns partitions to it and seeks. Raises: KafkaError."""
    consumer = SteppingConsumer(
        **_connection(bootstrap, role),
        isolation_level=isolation,
        enable_auto_commit=False,
        request_timeout_ms=READER_TIMEOUT_MS,
    )
    async with running(consumer):
        yield consumer


async def read_from_now(consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
    """Assign partitions to a started consumer, at their ends. Raises: KafkaError."""
    consumer.assign(list(partitions))
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)


@asynccontextmanager
async def admin(bootstrap: str, role: str) -> AsyncGenerator[AIOKafkaAdminClient]:
    """Yield a started admin client. Raises: KafkaError while Kafka cannot be reached."""
    client = AIOKafkaAdminClient(**_connection(bootstrap, role))
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def bare_client(bootstrap: str, role: str, *, request_timeout_ms: int = 40_000) -> AsyncGenerator[AIOKafkaClient]:
    """Yield a client for single requests; the caller connects it with `bootstrap()`."""
    client = AIOKafkaClient(**_connection(bootstrap, role), request_timeout_ms=request_timeout_ms)
    try:
        yield client
    finally:
        await client.close()


def make_broker(bootstrap: str, group: str, logger: LoggerProto) -> KafkaBroker:
    """Make FastStream's broker for one consumer group; nothing is connected yet."""
    return KafkaBroker(
        # FastStream wraps a string in a list, and aiokafka does not split the strings of a list.
        bootstrap.split(","),
        client_id=_connection(bootstrap, group)["client_id"],
        consumer_only=True,
        allow_auto_create_topics=False,
        logger=logger,
        apply_types=False,
    )


async def start_broker(
    broker: KafkaBroker, durable: Durable, misplaced: Misplaced, *, least_wait_ms: float, gather_ms: float
) -> None:
    """Start the broker with subscribers that read by `SteppingConsumer`, which takes the others. Raises: KafkaError."""
    await broker.connect()
    # FastStream makes the consumers of its subscribers with this private builder, a partial of AIOKafkaConsumer that
    # connect() has filled with the connection's options. It has no public way to name another class. After a start
    # that failed, the builder has been replaced already; its options are the same.
    config = broker.config.broker_config
    connection = cast("partial[Any]", config.builder).keywords
    secured = _security_options.get(",".join(connection["bootstrap_servers"]), {})
    options = {**connection, **secured, "least_wait_ms": least_wait_ms, "gather_ms": gather_ms}
    config.builder = partial(SteppingConsumer, durable, misplaced, **options)
    await broker.start()
