"""The simulator as a process: requests in, books kept, answers out when they are due."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import stamina
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from events import cloudevents
from events.catalogue import TAX_REQUESTS, name_of, named, write
from events.tax_requests import AnyTaxRequest
from events.topics import TAX_REQUESTS as TOPIC
from tax_simulator import tables
from tax_simulator.connector import Answer, answers
from tax_simulator.tables import Pending
from transport.addresses import Addresses
from transport.clients.postgres import connect_async

log = structlog.get_logger(__name__)

GROUP = "redletter.tax-simulator"
SOURCE = "urn:redletter:tax-simulator"
MOST = 500
"""Requests answered, and answers sent, in one go."""
LOOK_EVERY_MS = 200
"""Milliseconds between two looks for answers that are due, while no request comes."""

Record = ConsumerRecord[bytes, bytes]
Asked = tuple[AnyTaxRequest, dict[str, str]]
"""A request, and the headers it came with."""


async def run(addresses: Addresses, *, clock_shift: timedelta) -> None:
    """Answer requests until cancelled."""

    def now() -> datetime:
        return datetime.now(UTC) + clock_shift

    trouble = (KafkaError, psycopg.OperationalError)
    async for attempt in stamina.retry_context(on=trouble, attempts=None, timeout=None, wait_max=2.0):
        with attempt:
            async with _connected(addresses.kafka) as (consumer, producer), _books(addresses.database) as connection:
                while True:
                    batches = await consumer.getmany(timeout_ms=LOOK_EVERY_MS, max_records=MOST)
                    for records in batches.values():
                        await _answer(connection, records, now())
                    while await _send_due(connection, producer, now) == MOST:
                        pass
                    if batches:
                        await consumer.commit()


@asynccontextmanager
async def _connected(bootstrap: str) -> AsyncGenerator[tuple[AIOKafkaConsumer, AIOKafkaProducer]]:
    servers: Any = bootstrap.split(",")
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=servers,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await consumer.start()
        yield consumer, producer
    finally:
        await consumer.stop()
        await producer.stop()


@asynccontextmanager
async def _books(database: str) -> AsyncGenerator[psycopg.AsyncConnection]:
    async with await connect_async(database, "tax-simulator") as connection:
        async with connection.transaction(), connection.cursor() as cur:
            await tables.lay(cur)
        yield connection


async def _answer(connection: psycopg.AsyncConnection, records: Sequence[Record], now: datetime) -> None:
    """Let the platform do its part, and put the answers on their way, in one transaction."""
    asked = [request for record in records if (request := _request(record))]
    async with connection.transaction(), connection.cursor() as cur:
        books = await tables.load(cur, [request for request, _ in asked])
        pending = [
            _pending(answer, request, headers, now)
            for request, headers in asked
            for answer in answers(books, request, now)
        ]
        await tables.save(cur, books, pending)


def _request(record: Record) -> Asked | None:
    try:
        headers = {name: value.decode() for name, value in record.headers}
        return TAX_REQUESTS[named(headers["ce_type"])].model_validate_json(record.value or b""), headers
    except (KeyError, ValueError, ValidationError) as error:
        log.warning("this is no tax request", offset=record.offset, partition=record.partition, error=repr(error))
        return None


def _pending(answer: Answer, request: AnyTaxRequest, asked: dict[str, str], now: datetime) -> Pending:
    command, due_at = answer.command, now + answer.after
    name = name_of(type(command))
    log.info("answers", request=asked["ce_type"], answer=name, invoice=request.invoice_number, attempt=request.attempt)
    headers = cloudevents.headers(
        id=str(uuid4()),
        source=SOURCE,
        name=name,
        subject=request.invoice_number,
        time=due_at,
        correlation=asked["ce_correlationid"],
        causation=request.request_id,
        traceparent=asked.get("traceparent"),
    )
    told = [(header, value.decode()) for header, value in headers]
    return Pending(due_at, command.CHANNEL.value, request.invoice_number.encode(), write(command), told)


async def _send_due(
    connection: psycopg.AsyncConnection, producer: AIOKafkaProducer, now: Callable[[], datetime]
) -> int:
    """Send what is due. Ended in between, it sends the same again, under the same ids."""
    async with connection.transaction(), connection.cursor() as cur:
        due = await tables.take_due(cur, now(), MOST)
        sent = [
            await producer.send(
                one.topic, one.value, key=one.key, headers=[(name, value.encode()) for name, value in one.headers]
            )
            for one in due
        ]
        await asyncio.gather(*sent)
    return len(due)
