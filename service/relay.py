"""The relay: publishes the log in order, exactly once.

One relay is active, held by a lock on its database session; others stand by. Its position travels in the same Kafka
transaction as the messages, so a crash neither repeats nor loses one, and an old relay is fenced by its transactional
id. A transaction ends only where a command ends: its events and its reply are never torn apart.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString, NamedTuple, cast

import psycopg
import stamina
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from events import cloudevents
from events.topics import DEAD_LETTERS, EVENTS, RELAY, REPLIES
from service.log_tables import event_id
from transport.addresses import Addresses
from transport.database import connect_async
from transport.message import Message
from transport.producer import TransactionalProducer
from transport.topics import partition_counts

log = structlog.get_logger(__name__)

LOCK = 0x7265_646C_6574_7465
"""The advisory lock of the active relay: the bytes of "redlette"."""
TRANSACTIONAL_ID = "redletter.relay"
SOURCE = "urn:redletter:worker"
KEY = b"relay"
PUBLISHED = (EVENTS, REPLIES, DEAD_LETTERS)
MOST_ROWS = 2000
MOST_BYTES = 16 << 20
"""Rows, and bytes of their values, in one Kafka transaction."""
LOOK_AGAIN = 0.5
"""Seconds after which the log is read without having been told of news, which can be lost."""
STAND_BY = 1.0
"""Seconds between two tries for the lock."""
GATHER = 0.005
"""Seconds to wait for company under light load: a transaction begun right after another costs 20 ms."""
FEW = 100
"""Rows that are light load."""
TAIL = 100
"""Records of the position topic to look at first; the newest position is nearly always among them."""


class PositionMissing(Exception):
    """The relay does not know where it stands, although messages were published. Nothing may be published then."""


class LogRow(NamedTuple):
    """One entry of the log. ends: the last entry of its command."""

    position: int
    ends: bool
    kind: str
    key: bytes | None
    value: bytes | None
    name: str
    id: str
    subject: str | None
    at: datetime
    causation: str
    correlation: str
    traceparent: str | None
    version: int | None
    header_names: list[bytes] | None
    header_values: list[bytes | None] | None


_LOG: LiteralString = """
    select position, ends, kind, key, value, name, id, subject, at, causation, correlation, traceparent, version,
        header_names, header_values
    from (
        select *, sum(octet_length(value)) over (order by position) - octet_length(value) as before
        from (
            select notification_id as position, false as ends, 'event' as kind,
                convert_to(originator_id, 'UTF8') as key, state as value, topic as name, '' as id,
                originator_id as subject, occurred_at as at,
                causation_id as causation, correlation_id as correlation, traceparent, originator_version as version,
                null::bytea[] as header_names, null::bytea[] as header_values
            from redletter.invoice_events where notification_id > %(after)s
            union all
            select position, true, 'reply', record_key, value, name, id, subject, sent_at, causation_id,
                correlation_id, traceparent, null, null, null
            from redletter.replies where position > %(after)s
            union all
            select position, not answered, 'dead letter', record_key, value, '', '', null, buried_at, '', '', null,
                null, header_names || array['dl_reason', 'dl_error', 'dl_topic', 'dl_partition', 'dl_offset']::bytea[],
                header_values || array[convert_to(reason, 'UTF8'), convert_to(error, 'UTF8'), convert_to(topic, 'UTF8'),
                    convert_to(partition::text, 'UTF8'), convert_to(record_offset::text, 'UTF8')]
            from redletter.dead_letters where position > %(after)s
            order by position limit %(most)s
        ) as entries
    ) as measured
    where before is null or before < %(bytes)s
    order by position
"""


def message(row: LogRow) -> Message:
    """Turn one entry of the log into the record that is published."""
    if row.kind == "dead letter":
        return _dead_letter(row)
    topic, id_ = (EVENTS, event_id(str(row.subject), row.version or 0)) if row.kind == "event" else (REPLIES, row.id)
    headers = cloudevents.headers(
        id=id_,
        source=SOURCE,
        name=row.name,
        subject=row.subject,
        time=row.at,
        correlation=row.correlation,
        causation=row.causation,
        traceparent=row.traceparent,
        version=row.version,
    )
    return Message(topic, row.key, row.value, headers)


def _dead_letter(row: LogRow) -> Message:
    headers = [
        (name.decode(), value) for name, value in zip(row.header_names or (), row.header_values or (), strict=True)
    ]
    headers.append(("dl_time", row.at.isoformat().encode()))
    return Message(DEAD_LETTERS, row.key, row.value, headers)


def whole_commands(rows: Sequence[LogRow]) -> Sequence[LogRow]:
    """Leave out what begins a command that does not end in these rows."""
    end = next((index for index in range(len(rows), 0, -1) if rows[index - 1].ends), 0)
    return rows[:end]


class _Log:
    """The log, read in order over the session that holds the lock: without the lock there is nothing to read."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def after(self, position: int) -> Sequence[LogRow]:
        """Return the next whole commands after a position; none if there is no news."""
        async with self._connection.cursor() as cur:
            await cur.execute(_LOG, {"after": position, "most": MOST_ROWS, "bytes": MOST_BYTES}, binary=True)
            return whole_commands([LogRow(*row) for row in await cur.fetchall()])

    async def news(self) -> None:
        """Wait until there may be something new."""
        async for _ in self._connection.notifies(timeout=LOOK_AGAIN, stop_after=1):
            pass

    async def end(self) -> int:
        """Return the last position ever drawn."""
        async with self._connection.cursor() as cur:
            await cur.execute("select last_value from redletter.log_position")
            row = await cur.fetchone()
            return int(row[0]) if row else 0


@asynccontextmanager
async def _locked_log(database: str) -> AsyncGenerator[_Log]:
    """Wait until this process is the active relay; it is as long as the session lives."""
    connection = await connect_async(database, "relay")
    async with connection:
        while not await _try_lock(connection):  # noqa: ASYNC110 - the lock tells nobody when it is free
            await asyncio.sleep(STAND_BY)
        await connection.execute("listen redletter_log")
        log.info("relay is active")
        yield _Log(connection)


async def _try_lock(connection: psycopg.AsyncConnection[Any]) -> bool:
    cur = await connection.execute("select pg_try_advisory_lock(%s)", (LOCK,))
    row = await cur.fetchone()
    return bool(row and row[0])


async def last_position(bootstrap: str) -> int:
    """Return where the relay stands, as its own topic says. Only true once an older relay has been fenced.

    Raises: PositionMissing when the topic is silent although messages were published.
    """
    position = TopicPartition(RELAY, 0)
    published = [TopicPartition(t, p) for t in PUBLISHED for p in range((await partition_counts(bootstrap))[t])]
    async with _reader(bootstrap, "read_uncommitted", position) as everything:
        # Up to here, and not to the last stable offset: an open transaction would hide the newest position.
        ends = await everything.end_offsets([position, *published])
    async with _reader(bootstrap, "read_committed", position) as committed:
        for start in sorted({max(0, ends[position] - TAIL), 0}, reverse=True):
            committed.seek(position, start)
            if (newest := await _newest(committed, position, ends[position])) is not None:
                return newest
    if any(ends[partition] for partition in published):
        msg = f"the topic {RELAY} holds no position although messages were published; restore it before going on"
        raise PositionMissing(msg)
    return 0


@asynccontextmanager
async def _reader(bootstrap: str, isolation: str, partition: TopicPartition) -> AsyncGenerator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=cast("Any", bootstrap.split(",")), isolation_level=isolation, auto_offset_reset="earliest"
    )
    consumer.assign([partition])
    try:
        await consumer.start()
        # Let the client's own task begin: cancelled before that, it would raise CancelledError out of stop().
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()


async def _newest(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> int | None:
    newest: bytes | None = None
    while await consumer.position(partition) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            newest = records[-1].value
    return int(json.loads(newest)["position"]) if newest else None


async def run(addresses: Addresses) -> None:
    """Relay until cancelled, standing by while another relay is active.

    Raises: Fenced when another relay took over, so that the process starts afresh; PositionMissing.
    """
    async for attempt in stamina.retry_context(on=_PASSING, attempts=None, timeout=None, wait_max=2.0):
        with attempt:
            await _relay(addresses)


_PASSING = (KafkaError, psycopg.OperationalError, psycopg.InterfaceError, OSError)


async def _relay(addresses: Addresses) -> None:
    async with _locked_log(addresses.database) as entries:
        producer = TransactionalProducer(addresses.kafka, TRANSACTIONAL_ID)
        await producer.start()
        try:
            position = await last_position(addresses.kafka)
            if position > (end := await entries.end()):
                msg = f"the relay stands at {position}, but the log ends at {end}: this is another database than before"
                raise PositionMissing(msg)
            log.info("relay goes on", position=position)
            await _publish_from(position, entries, producer)
        finally:
            await producer.stop()


async def _publish_from(position: int, entries: _Log, producer: TransactionalProducer) -> None:
    rows = await entries.after(position)
    while True:
        if not rows:
            await entries.news()
        elif len(rows) < FEW:
            await asyncio.sleep(GATHER)
        if len(rows) < FEW:
            rows = await entries.after(position)
        if rows:
            position = rows[-1].position
            rows, _ = await asyncio.gather(entries.after(position), _publish(producer, rows))


async def _publish(producer: TransactionalProducer, rows: Sequence[LogRow]) -> None:
    here = Message(RELAY, KEY, json.dumps({"position": rows[-1].position}).encode(), [], partition=0)
    await producer.publish([*map(message, rows), here])
