"""Timers -> tax requests and internal commands, when they are due."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import psycopg
import structlog
from aiokafka.errors import InvalidTimestampError
from psycopg.rows import TupleRow

from events import cloudevents
from events.catalogue import COMMAND_TYPES, TAX_REQUEST_TYPES, json_of
from events.names import CLOCK_SOURCE
from events.topics import TAX_REQUESTS_TOPIC
from service.clock import timers
from service.clock.timers import Place, Timer
from service.clock.watching import LOCK_WITHIN, TRANSACTION_WITHIN
from transport.clients.postgres import connect_async
from transport.producer import FencedProducers, TooLarge
from transport.records import OutgoingRecord

log = structlog.get_logger(__name__)

MOST = 500
"""Sendings in one go."""
LOOK_EVERY = 0.5
"""Seconds between two looks for what is due, when no event asks for one."""
PAUSE_AFTER_FAILURE = 1.0
REFUSED = (TooLarge, InvalidTimestampError)
"""Errors that say something of a record: the same record will be refused again."""

Connection = psycopg.AsyncConnection[TupleRow]


class _RefusedInPart(Exception):
    """Kafka refuses something in a go: it is sent in smaller ones."""


class Sender:
    """Sends what is due in the partitions that this clock owns, and no other clock can write to any more."""

    def __init__(
        self,
        database: str,
        producers: FencedProducers,
        *,
        now: Callable[[], datetime],
        repeat: timedelta,
        repeat_max: timedelta,
    ) -> None:
        self._database = database
        self._producers = producers
        self._now = now
        self._repeat = repeat
        self._repeat_max = repeat_max
        self._assigned = frozenset[int]()
        self._owned = frozenset[int]()
        self._sending = asyncio.Lock()
        self._woken = asyncio.Event()
        self._limits: dict[int, int] = {}

    def wake(self) -> None:
        """Look for what is due at once."""
        self._woken.set()

    async def own(self, partitions: frozenset[int]) -> None:
        """Own exactly these partitions; whoever owned them before can write no more once this returns."""
        self._assigned = partitions
        async with self._sending:
            self._owned = frozenset()
            await self._producers.own(partitions)
            self._owned = partitions
        self.wake()

    async def disown(self, _: frozenset[int]) -> None:
        """Own nothing until told again."""
        self._assigned = frozenset()
        async with self._sending:
            self._owned = frozenset()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                async with await self._connect() as connection:
                    while True:
                        await self._send_due(connection)
                        await self._wait()
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is said and tried again
                log.warning("sending failed; it is tried again", error=repr(failure))
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                await self._own_again()

    async def _connect(self) -> Connection:
        within = {"lock_timeout": LOCK_WITHIN, "transaction_timeout": TRANSACTION_WITHIN}
        return await connect_async(self._database, "clock", **within, **timers.IN_INDEX_ORDER)

    async def _own_again(self) -> None:
        try:
            await self.own(self._assigned)
        except Exception as failure:  # noqa: BLE001 - the same
            log.warning("the right to write was not taken; it is tried again", error=repr(failure))

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), LOOK_EVERY)
        except TimeoutError:
            return
        self._woken.clear()

    async def _send_due(self, connection: Connection) -> None:
        """Send all that is due, a bounded go of each partition in turn; between two goes a rebalance may come in."""
        async with connection.cursor() as cur:
            reached = dict.fromkeys(await timers.due_partitions(cur, self._owned, self._now()), timers.FIRST)
        while reached:
            for partition in list(reached):
                async with self._sending:
                    place = await self._send_some(connection, partition, reached[partition])
                if place is None:
                    del reached[partition]
                else:
                    reached[partition] = place

    async def _send_some(self, connection: Connection, partition: int, after: Place) -> Place | None:
        """Send one go, and return the place it has reached; nothing when that was all, or is not ours any more."""
        if partition not in self._owned:
            return None
        limit = self._limits.get(partition, MOST)
        try:
            async with connection.transaction(), connection.cursor() as cur:
                due, reached = await timers.take_due(
                    cur,
                    partition,
                    self._now(),
                    repeat=self._repeat,
                    repeat_max=self._repeat_max,
                    limit=limit,
                    after=after,
                )
                if due:
                    await self._publish(partition, due)
        except _RefusedInPart:
            self._limits[partition] = max(1, limit // 2)
            return after
        self._limits[partition] = min(MOST, 2 * limit)
        return reached if len(due) == limit else None

    async def _publish(self, partition: int, timers: Sequence[Timer]) -> None:
        """Publish a go. A timer that Kafka refuses alone counts as sent. Raises: _RefusedInPart for several."""
        now = self._now()
        try:
            await self._producers.publish(partition, [_message(timer, now) for timer in timers])
        except REFUSED as refusal:
            await self._producers.own(self._owned)  # a producer that failed is replaced
            if len(timers) > 1:
                raise _RefusedInPart from refusal
            log.exception("kafka refuses a request; it waits for its next repeat", id=timers[0].id)
            return
        for timer in timers:
            log.info("sent", request=timer.name, id=timer.id, attempt=timer.attempt, correlation_id=timer.correlation)


def _message(timer: Timer, now: datetime) -> OutgoingRecord:
    headers = cloudevents.headers(
        id=timer.id,
        source=CLOCK_SOURCE,
        name=timer.name,
        subject=timer.invoice_number,
        time=now,
        correlation=timer.correlation,
        causation=timer.causation,
        traceparent=timer.traceparent,
    )
    topic = TAX_REQUESTS_TOPIC if timer.name in TAX_REQUEST_TYPES else COMMAND_TYPES[timer.name].CHANNEL.value
    return OutgoingRecord(topic, timer.invoice_number.encode(), _body(timer), headers)


def _body(timer: Timer) -> bytes:
    if timer.name not in TAX_REQUEST_TYPES:
        return timer.body
    request = TAX_REQUEST_TYPES[timer.name].model_validate_json(timer.body)
    return json_of(request.model_copy(update={"attempt": timer.attempt}))
