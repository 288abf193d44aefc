"""Timers -> tax requests and internal commands, when they are due."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from time import time_ns

import psycopg
import structlog
from aiokafka.errors import InvalidTimestampError
from psycopg.rows import TupleRow

from events import cloudevents
from events.catalogue import COMMAND_TYPES, TAX_REQUEST_TYPES, json_of
from events.names import CLOCK_GROUP, CLOCK_SOURCE
from events.topics import TAX_REQUESTS_TOPIC
from service.clock import timers
from service.clock.timers import Timer, TimerPlace
from service.clock.watching import SESSION_SETTINGS
from transport import spans
from transport.addresses import Addresses
from transport.clients.postgres import connect_async
from transport.outbox import FencedPublisher
from transport.producer import FencedProducers, TooLarge
from transport.records import OutgoingRecord
from transport.spans import Step

log = structlog.get_logger(__name__)

MAX_SENDINGS = 500
"""Timers of a partition that are sent in one transaction."""
LOOK_SECONDS = 0.5
"""Seconds between two looks for what is due, when no event asks for one."""
TURN_SECONDS = 0.05
"""Least seconds from one look to the next: each that finds something is a transaction for every partition with it."""
_REFUSALS = (TooLarge, InvalidTimestampError)
"""Errors that are about a record: Kafka will refuse the same record again."""

_Connection = psycopg.AsyncConnection[TupleRow]


class _SomeRefused(Exception):
    """Kafka refuses something among several timers: they are sent in smaller transactions."""


def sender_of(
    addresses: Addresses, *, now: Callable[[], datetime], repeat: timedelta, repeat_max: timedelta
) -> FencedPublisher:
    """Return what sends the due timers of the partitions that this clock owns."""
    due = DueTimers(addresses.database, now=now, repeat=repeat, repeat_max=repeat_max)
    producers = FencedProducers(addresses.kafka, CLOCK_GROUP)
    return FencedPublisher(producers, due, name="clock", look_seconds=LOOK_SECONDS, turn_seconds=TURN_SECONDS)


class DueTimers:
    """`transport.outbox.Outbox` of the timers that are due."""

    def __init__(self, database: str, *, now: Callable[[], datetime], repeat: timedelta, repeat_max: timedelta) -> None:
        self._database = database
        self._now = now
        self._repeat = repeat
        self._repeat_max = repeat_max
        self._limits: dict[int, int] = {}
        self._sent: Counter[str] = Counter()
        """Timers sent since the last line in the log, by name."""

    async def connect(self) -> _Connection:
        """Open a session."""
        return await connect_async(self._database, "clock", **SESSION_SETTINGS, **timers.IN_INDEX_ORDER)

    def assigned(self, partitions: frozenset[int]) -> None:
        """Learn nothing: only the partitions at the time of sending count."""

    async def failed(self, partitions: Collection[int], error: Exception) -> None:
        """Do nothing: what could not be sent is still due."""

    def close(self) -> None:
        """Do nothing: the session is closed by whoever opened it."""

    async def publish_waiting(self, connection: _Connection, publisher: FencedPublisher) -> bool:
        """Send all that is due, a bounded number of each partition in turn; in between a rebalance may come in."""
        async with connection.cursor() as cur:
            reached = dict.fromkeys(await timers.due_partitions(cur, publisher.owned, self._now()), timers.FIRST)
        while reached:
            for partition in list(reached):
                async with publisher.turn():
                    place = await self._send_some(connection, publisher, partition, reached[partition])
                if place is None:
                    del reached[partition]
                else:
                    reached[partition] = place
        if self._sent:
            log.info("timers_sent", **self._sent)
            self._sent.clear()
        return False

    async def _send_some(
        self, connection: _Connection, publisher: FencedPublisher, partition: int, after: TimerPlace
    ) -> TimerPlace | None:
        """Send in one transaction; return the place it has reached, or None when no more is due or owned."""
        if partition not in publisher.owned:
            return None
        limit = self._limits.get(partition, MAX_SENDINGS)
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
                    await self._publish(publisher, partition, due)
        except _SomeRefused:
            self._limits[partition] = max(1, limit // 2)
            return after
        self._limits[partition] = min(MAX_SENDINGS, 2 * limit)
        return reached if len(due) == limit else None

    async def _publish(self, publisher: FencedPublisher, partition: int, due: Sequence[Timer]) -> None:
        """Publish timers. One that Kafka refuses alone counts as sent. Raises: _SomeRefused for several."""
        now, begun = self._now(), time_ns()
        try:
            await publisher.publish(partition, [_message(timer, now) for timer in due])
        except _REFUSALS as refusal:
            await publisher.take()
            if len(due) > 1:
                raise _SomeRefused from refusal
            log.exception("timer_refused_by_kafka", id=due[0].id)
            return
        spans.record(map(_step, due), begun)
        for timer in due:
            self._sent[timer.name.removesuffix(".v1")] += 1
            log.debug(
                "timer_sent",
                request=timer.name,
                id=timer.id,
                invoice=timer.invoice_number,
                attempt=timer.attempt,
                correlation_id=timer.correlation,
            )


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


def _step(timer: Timer) -> Step:
    """Return the step of sending a timer, which follows the publication of the event that opened it."""
    name, after = timer.name.removesuffix(".v1"), ("relay", timer.causation)
    return Step("send", name, timer.id, timer.traceparent, after, timer.attempt)


def _body(timer: Timer) -> bytes:
    if timer.name not in TAX_REQUEST_TYPES:
        return timer.body
    request = TAX_REQUEST_TYPES[timer.name].model_validate_json(timer.body)
    return json_of(request.but(attempt=timer.attempt))
