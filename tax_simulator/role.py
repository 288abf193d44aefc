"""The simulator as a process: reads tax requests, keeps books, and sends the answering commands when they are due."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import stamina
import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from events import cloudevents
from events.catalogue import TAX_REQUEST_TYPES, json_of, name_of, stored_name
from events.names import TAX_SIMULATOR_GROUP
from events.tax_requests import AnyTaxRequest
from events.topics import TAX_REQUESTS_TOPIC
from tax_simulator import tables
from tax_simulator.connector import DelayedCommand, commands_for
from tax_simulator.tables import ScheduledRecord
from transport.addresses import Addresses
from transport.clients.kafka import KafkaConsumer, KafkaProducer, make_consumer, make_producer, running
from transport.clients.postgres import connect_async
from transport.tasks import finish

log = structlog.get_logger(__name__)

_SOURCE = "urn:redletter:tax-simulator"
_MAX_BATCH_RECORDS = 500
"""Requests processed, and records sent, in one transaction."""
_POLL_MILLISECONDS = 200
"""How often records become due while no request arrives."""
_LAST_TURN_SECONDS = 2.0
"""Seconds that a turn may still take when the simulator is told to stop."""

_Received = tuple[AnyTaxRequest, dict[str, str]]
"""A request, and the headers that it came with."""


async def run(addresses: Addresses, *, clock_shift: timedelta) -> None:
    """Answer tax requests until cancelled."""

    def now() -> datetime:
        return datetime.now(UTC) + clock_shift

    outages = (KafkaError, psycopg.OperationalError)
    async for attempt in stamina.retry_context(on=outages, attempts=None, timeout=None, wait_max=2.0):
        with attempt:
            async with _connected(addresses.kafka) as (consumer, producer), _books(addresses.database) as connection:
                while True:
                    # Half a turn would be done again after the next start, and its commands sent twice.
                    await finish(_turn(consumer, producer, connection, now), within=_LAST_TURN_SECONDS)


async def _turn(
    consumer: KafkaConsumer, producer: KafkaProducer, connection: psycopg.AsyncConnection, now: Callable[[], datetime]
) -> None:
    """Process the requests that have come, and send the commands that are due."""
    batches = await consumer.getmany(timeout_ms=_POLL_MILLISECONDS, max_records=_MAX_BATCH_RECORDS)
    for records in batches.values():
        await _process(connection, records, now())
    while await _send_due(connection, producer, now) == _MAX_BATCH_RECORDS:
        pass
    if batches:
        log.info("tax_requests_answered", requests=sum(map(len, batches.values())))
        await consumer.commit()


@asynccontextmanager
async def _connected(bootstrap: str) -> AsyncGenerator[tuple[KafkaConsumer, KafkaProducer]]:
    consumer = make_consumer(
        bootstrap,
        TAX_SIMULATOR_GROUP,
        TAX_REQUESTS_TOPIC,
        group_id=TAX_SIMULATOR_GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    async with (
        running(make_producer(bootstrap, TAX_SIMULATOR_GROUP, enable_idempotence=True)) as producer,
        running(consumer),
    ):
        yield consumer, producer


@asynccontextmanager
async def _books(database: str) -> AsyncGenerator[psycopg.AsyncConnection]:
    async with await connect_async(database, "tax-simulator") as connection:
        async with connection.transaction(), connection.cursor() as cur:
            await tables.create_tables(cur)
        yield connection


async def _process(
    connection: psycopg.AsyncConnection, records: Sequence[ConsumerRecord[bytes, bytes]], now: datetime
) -> None:
    """Let the platform process the requests, and schedule the answering commands, in one transaction."""
    received = [request for record in records if (request := _request(record))]
    async with connection.transaction(), connection.cursor() as cur:
        books = await tables.load_books(cur, [request for request, _ in received])
        scheduled = [
            _scheduled(command, request, headers, now)
            for request, headers in received
            for command in commands_for(books, request, now)
        ]
        await tables.save_books(cur, books, scheduled)


def _request(record: ConsumerRecord[bytes, bytes]) -> _Received | None:
    try:
        headers = {name: value.decode() for name, value in record.headers}
        return TAX_REQUEST_TYPES[stored_name(headers["ce_type"])].model_validate_json(record.value or b""), headers
    except (KeyError, ValueError, ValidationError) as error:
        log.warning("record_not_a_tax_request", offset=record.offset, partition=record.partition, error=repr(error))
        return None


def _scheduled(
    delayed: DelayedCommand, request: AnyTaxRequest, request_headers: dict[str, str], now: datetime
) -> ScheduledRecord:
    command, due_at = delayed.command, now + delayed.after
    name = name_of(type(command))
    log.debug(
        "tax_request_answered",
        request=request_headers["ce_type"],
        command=name,
        invoice=request.invoice_number,
        attempt=request.attempt,
        correlation_id=request_headers["ce_correlationid"],
    )
    headers = cloudevents.headers(
        id=str(uuid4()),
        source=_SOURCE,
        name=name,
        subject=request.invoice_number,
        time=due_at,
        correlation=request_headers["ce_correlationid"],
        causation=request.request_id,
        traceparent=request_headers.get("traceparent"),
    )
    text_headers = [(header, value.decode()) for header, value in headers]
    return ScheduledRecord(
        due_at, command.CHANNEL.value, request.invoice_number.encode(), json_of(command), text_headers
    )


async def _send_due(connection: psycopg.AsyncConnection, producer: KafkaProducer, now: Callable[[], datetime]) -> int:
    """Send the records that are due. After an interruption the same ones are sent again, with the same ids."""
    async with connection.transaction(), connection.cursor() as cur:
        due = await tables.take_due_records(cur, now(), _MAX_BATCH_RECORDS)
        sent = [
            await producer.send(
                one.topic, one.value, key=one.key, headers=[(name, value.encode()) for name, value in one.headers]
            )
            for one in due
        ]
        await asyncio.gather(*sent)
    return len(due)
