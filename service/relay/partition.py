"""One partition of the log, published in order, exactly once.

A partition has a transactional id of its own, and its position travels in the same Kafka transaction as its messages,
so a crash neither repeats nor loses one, and the owner before is fenced. A transaction ends only where a command ends:
its events and its reply are never torn apart.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic, time_ns

import psycopg
import structlog
from aiokafka import TopicPartition

from events.names import RELAY_GROUP
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, RELAY_TOPIC, REPLIES_TOPIC
from service.relay.messages import outgoing_record, stand_in, step_of
from service.store.log_reader import GENESIS, LogDiffers, LogPosition, LogReader
from service.store.log_tables import LogRow
from service.store.notifications import Growth, News
from transport import spans
from transport.addresses import Addresses
from transport.newest_record import ever_written, newest_value
from transport.producer import Fenced, TooLarge, TransactionalProducer
from transport.records import OutgoingRecord
from transport.tasks import is_cancelled

log = structlog.get_logger(__name__)

KEY = b"relay"
PUBLISHED = (EVENTS_TOPIC, REPLIES_TOPIC, DEAD_LETTERS_TOPIC, PARKED_TOPIC)
FENCED_PAUSE = 3.0
"""Seconds until a partition that another process took is tried again; a member that was thrown out learns it before."""
STOPPED_PAUSE = 10.0
"""Seconds until a partition whose publication stopped is tried again: an operator has to repair it first."""
MAX_PAUSE = 2.0
RELAY_TURN_SECONDS = 0.025
"""Least seconds from the beginning of one transaction to that of the next, without a backlog. Entries that arrive
quickly share transactions, which cost Kafka more than what is in them; a single entry is published at once."""
BACKLOG = 200
"""Entries behind those that are being published from which the next are read meanwhile, and published at once."""
LOG_EVERY = 15
"""Failures in a row of which one is logged, the first among them."""


class PositionMissing(Exception):
    """Nobody knows how far a partition is published, although something was. Nothing may be published then."""


class PartitionRelay:
    """One partition of the log, while this process holds it."""

    def __init__(self, addresses: Addresses, partition: int, entries: LogReader, news: News) -> None:
        self._addresses = addresses
        self._partition = partition
        self._entries = entries
        self._news = news
        self._apart_until = 0
        """Up to this place every entry travels in a batch of its own: one of them was refused for its size."""
        self._refused: set[int] = set()
        """The places of entries that Kafka refuses, which stand-ins are published for."""
        self.position = GENESIS

    async def publish_for_ever(self) -> None:
        """Publish until cancelled, and start again after every failure."""
        failures = 0
        while True:
            before, pause = self.position, 0.0
            try:
                await self._publish()
            except Fenced:
                log.warning("relay_fenced", partition=self._partition)
                pause = FENCED_PAUSE
            except (PositionMissing, LogDiffers) as error:
                log.error("publication_stopped", partition=self._partition, why=str(error), see="redletter check")  # noqa: TRY400 - the reason says all
                await self._stop_log(str(error))
                pause = STOPPED_PAUSE
            except TooLarge as error:
                log.info("batch_too_large", partition=self._partition, messages=str(error))
            except asyncio.CancelledError as error:
                if is_cancelled():
                    raise
                # A client that ended in the midst: as the end of this task it would stop publication in silence.
                log.warning("publication_failed", partition=self._partition, why=repr(error), failures=1)
                pause = MAX_PAUSE
            except Exception as error:  # noqa: BLE001 - whatever it is, the partition is not given up
                failures = failures + 1 if self.position == before else 1
                if failures % LOG_EVERY == 1:
                    log.warning("publication_failed", partition=self._partition, why=repr(error), failures=failures)
                pause = min(0.1 * 2**failures, MAX_PAUSE)
            if is_cancelled():
                return
            await asyncio.sleep(pause)

    async def _stop_log(self, why: str) -> None:
        """Let nothing be decided, either, on a log that is not what was published of it."""
        try:
            await self._entries.stop(self._partition, why)
        except psycopg.Error as error:
            log.warning("log_not_stopped", partition=self._partition, error=str(error))

    async def _publish(self) -> None:
        producer = TransactionalProducer(self._addresses.kafka, f"{RELAY_GROUP}-{self._partition}")
        with self._news.of(self._partition) as growth:
            await producer.start()
            try:
                self.position = await self._last_position(producer)
                log.info("relay_resumed", partition=self._partition, position=self.position.place)
                await self._publish_from_here(producer, growth)
            finally:
                await producer.stop()

    async def _last_position(self, producer: TransactionalProducer) -> LogPosition:
        """Return where the partition stands. Only true once whoever had it before has been fenced."""
        newest = await newest_value(self._addresses.kafka, TopicPartition(RELAY_TOPIC, self._partition))
        position = GENESIS if newest is None else LogPosition.read(newest)
        await self._entries.refuse_older(self._partition, position)
        if newest is not None:
            return position
        if await ever_written(self._addresses.kafka, [TopicPartition(topic, self._partition) for topic in PUBLISHED]):
            msg = (
                f"partition {self._partition} of {RELAY_TOPIC} holds no position although messages were published; "
                "restore it first"
            )
            raise PositionMissing(msg)
        # Alone, before anything is published: killed in its first transaction, a relay would otherwise leave traces
        # in the other topics and none here.
        await producer.publish([self._here(GENESIS)])
        return GENESIS

    async def _publish_from_here(self, producer: TransactionalProducer, growth: Growth) -> None:
        rows: Sequence[LogRow] = ()
        while True:
            if not rows:
                await growth.wait_beyond(self.position.place)
                rows = await self._entries.after(self._partition, self.position)
            if rows:
                rows = await self._publish_some(producer, rows, growth)
            else:
                growth.ends_at(await self._entries.check_end(self._partition, self.position))

    async def _publish_some(
        self, producer: TransactionalProducer, rows: Sequence[LogRow], growth: Growth
    ) -> Sequence[LogRow]:
        """Publish what was read, and return what was read meanwhile: nothing unless there is a backlog."""
        some, begun = self._bounded(rows), monotonic()
        end = LogPosition.of(some[-1])
        publishing = self._publish_rows(producer, some, end)
        if growth.exceeds(end.place + BACKLOG):
            rows, _ = await asyncio.gather(self._entries.after(self._partition, end), publishing)
            self.position = end
            return rows
        await publishing
        self.position = end
        await asyncio.sleep(begun + RELAY_TURN_SECONDS - monotonic())
        return ()

    def _bounded(self, rows: Sequence[LogRow]) -> Sequence[LogRow]:
        """Return one command alone while one is among them that was refused for its size."""
        if rows[0].place > self._apart_until:
            return rows
        end = next(index for index, row in enumerate(rows, start=1) if row.ends)
        return rows[:end]

    async def _publish_rows(self, producer: TransactionalProducer, rows: Sequence[LogRow], end: LogPosition) -> None:
        apart, begun = rows[0].place <= self._apart_until, time_ns()
        messages = [self._message(row) for row in rows]
        try:
            await producer.publish([*messages, self._here(end)], apart=apart)
        except TooLarge as error:
            if apart:
                self._refuse([rows[index] for index in error.indexes])
            self._apart_until = max(self._apart_until, rows[-1].place)
            raise
        spans.record((step_of(row) for row in rows if row.traceparent), begun)
        self._refused = {place for place in self._refused if place > end.place}

    def _refuse(self, rows: Sequence[LogRow]) -> None:
        for row in rows:
            if row.place in self._refused:
                msg = f"Kafka refuses even the stand-in of the entry at {row.place} for its size"
                raise RuntimeError(msg)
            self._refused.add(row.place)
            log.error(
                "entry_replaced_by_stand_in",
                partition=self._partition,
                place=row.place,
                kind=row.kind,
                bytes=len(row.value or b""),
                subject=row.subject,
            )

    def _message(self, row: LogRow) -> OutgoingRecord:
        return (stand_in if row.place in self._refused else outgoing_record)(row, self._partition)

    def _here(self, position: LogPosition) -> OutgoingRecord:
        return OutgoingRecord(RELAY_TOPIC, KEY, position.write(), [], self._partition)
