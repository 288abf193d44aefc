"""Which read models have stopped, where and why: stored where the api and every operator can see it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import LiteralString, NamedTuple

import psycopg
import structlog
from aiokafka import TopicPartition
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from events.values import Message, Time
from projections.engine.read_model import Cur
from transport.clients.postgres import connect

log = structlog.get_logger(__name__)

MAX_REASON_CHARS = 500

CREATE_HEALTH: LiteralString = """
    create table if not exists projections.stopped (
        model text not null,
        topic text not null,
        partition integer not null,
        next bigint not null, -- the position, which stays
        record_offset bigint, -- the record that cannot be folded; null where no record is to blame
        why text not null,
        since timestamptz not null default now(),
        tried_at timestamptz not null default now(),
        primary key (model, topic, partition)
    );
    create table if not exists projections.skipped ( -- records that an operator has skipped on purpose
        model text not null,
        topic text not null,
        partition integer not null,
        record_offset bigint not null,
        why text not null,
        skipped_at timestamptz not null default now(),
        primary key (model, topic, partition, record_offset)
    );
    create table if not exists projections.writers ( -- the code that has written each model
        model text not null,
        code text not null,
        retired boolean not null default false, -- a rebuild by other code has replaced what it wrote
        primary key (model, code)
    )
"""
_INSERT_STOPPED = """
    insert into projections.stopped as s (model, topic, partition, next, record_offset, why)
    select %s, * from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])
    on conflict (model, topic, partition) do update set
        next = excluded.next, record_offset = excluded.record_offset, why = excluded.why, tried_at = now(),
        since = case when s.why = excluded.why then s.since else now() end
"""
_SELECT_STOPPED = """
    select topic, partition from projections.stopped
    join unnest(%s::text[], %s::int[]) as asked (topic, partition) using (topic, partition) where model = %s
"""
_INSERT_WRITER = "insert into projections.writers (model, code) values (%s, %s) on conflict do nothing"
_RETIRED = "select 1 from projections.writers where model = %s and code = %s and retired"
_STOPPED_OR_RETIRED = """
    select model, topic, partition from projections.stopped where model = any(%(models)s)
    union all
    select w.model, null, null from projections.writers as w
    join unnest(%(models)s::text[], %(codes)s::text[]) as own (model, code) using (model, code) where w.retired
"""
_DELETE_STOPS = """
    delete from projections.stopped as s
    using unnest(%s::text[], %s::text[], %s::int[]) as resumed (model, topic, partition)
    where s.model = resumed.model and s.topic = resumed.topic and s.partition = resumed.partition
"""
_ALL = """
    select model, why, array_agg(partition order by partition) as partitions, min(since) as since
    from projections.stopped group by model, why order by model, min(partition) limit 100
"""
_EACH = """
    select model, topic, partition, coalesce(record_offset, next) as at, why, since
    from projections.stopped order by model, topic, partition limit 100
"""


class Stopped(Message):
    """A read model that has stopped on these partitions. Others continue; queries show what it knew until then."""

    model: str
    partitions: list[int]
    why: str
    since: Time


class StopPlace(NamedTuple):
    """Where a read model has stopped, why, and since when. at: the offset of the record, or its position."""

    model: str
    topic: str
    partition: int
    at: int
    why: str
    since: datetime


class Stop(NamedTuple):
    """Why a partition has stopped. next: its position. record_offset: None if no record is the cause."""

    next: int
    record_offset: int | None
    why: str


class Retired(Exception):
    """A release other than this program's has rebuilt the read model since this one wrote it."""

    def __init__(self) -> None:
        super().__init__(
            "another release has rebuilt it: run the projector of that release, or rebuild it with this one"
        )


class Health:
    """Records on which partitions one read model has stopped."""

    def __init__(self, database: str, model: str, code: str = "") -> None:
        """``code``: the fingerprint of what writes the rows."""
        self._database = database
        self._model = model
        self._code = code
        self._stopped: frozenset[TopicPartition] = frozenset()
        self._logged: dict[TopicPartition, str] = {}

    def found(self, cur: Cur, partitions: Collection[TopicPartition]) -> None:
        """Load which of these partitions have stopped, in any process, and store that this code writes them."""
        cur.execute(_INSERT_WRITER, (self._model, self._code))
        cur.execute(_SELECT_STOPPED, (*_columns(partitions), self._model))
        self._stopped |= {TopicPartition(topic, partition) for topic, partition in cur.fetchall()}

    def before_write(self, cur: Cur, partitions: Collection[TopicPartition]) -> None:
        """Delete the stops of these partitions, whose rows are about to be written. Raises: Retired.

        Called with their positions locked. A rebuild locks all positions before it switches, so it cannot switch now.
        """
        if cur.execute(_RETIRED, (self._model, self._code)).fetchone():
            raise Retired
        if self._stopped.intersection(partitions):
            delete_stops(cur, self._stops(partitions))

    def resumed(self, partitions: Collection[TopicPartition]) -> None:
        """Log the partitions that run again, after their transaction has committed."""
        for partition in self._stopped.intersection(partitions):
            log.info("read_model_resumed", model=self._model, topic=partition.topic, partition=partition.partition)
        self._stopped -= frozenset(partitions)
        for partition in partitions:
            self._logged.pop(partition, None)

    def clear(self, partitions: Collection[TopicPartition]) -> None:
        """Delete the stops of these partitions in a transaction of its own, whichever process stored them.

        Raises: psycopg.Error.
        """
        with connect(self._database, "projector") as connection:
            delete_stops(connection.cursor(), self._stops(partitions))
        self.resumed(partitions)

    def stopped(self, stops: Mapping[TopicPartition, Stop]) -> None:
        """Store that these partitions have stopped. While the database is down, nothing is stored."""
        ordered = sorted(stops)
        for partition in ordered:
            if self._logged.get(partition) != (why := stops[partition].why):
                log.error("read_model_stopped", model=self._model, partition=partition.partition, why=why)
                self._logged[partition] = why
        facts = [list(column) for column in zip(*(stops[partition] for partition in ordered), strict=True)]
        try:
            with connect(self._database, "projector") as connection:
                connection.execute(_INSERT_STOPPED, (self._model, *_columns(ordered), *facts))
        except psycopg.Error as error:
            log.debug("read_model_stop_not_written", model=self._model, error=str(error))
        self._stopped |= frozenset(ordered)

    def _stops(self, partitions: Collection[TopicPartition]) -> list[tuple[str, TopicPartition]]:
        return [(self._model, partition) for partition in partitions]


class StoredHealth(NamedTuple):
    """What is stored about several read models. retired: those that another release has rebuilt."""

    stopped: frozenset[tuple[str, TopicPartition]]
    retired: frozenset[str]


def register(cur: Cur, codes: Mapping[str, str]) -> None:
    """Store what writes read models. codes: the fingerprint of what writes each."""
    cur.executemany(_INSERT_WRITER, sorted(codes.items()))


def ask(cur: Cur, codes: Mapping[str, str]) -> None:
    """Ask where read models have stopped; `stored_health` returns it. codes: the fingerprint of what writes each."""
    cur.execute(_STOPPED_OR_RETIRED, {"models": list(codes), "codes": list(codes.values())})


def stored_health(cur: Cur) -> StoredHealth:
    """Return what `ask` has asked for."""
    rows = cur.fetchall()
    return StoredHealth(
        frozenset((model, TopicPartition(topic, partition)) for model, topic, partition in rows if topic is not None),
        frozenset(model for model, topic, _ in rows if topic is None),
    )


def delete_stops(cur: Cur, resumed: Collection[tuple[str, TopicPartition]]) -> None:
    """Delete the stops of read models on partitions where they run again, in the caller's transaction."""
    ordered = sorted(resumed)
    cur.execute(_DELETE_STOPS, ([model for model, _ in ordered], *_columns([partition for _, partition in ordered])))


def _columns(partitions: Collection[TopicPartition]) -> tuple[list[str], list[int]]:
    return [one.topic for one in partitions], [one.partition for one in partitions]


def reason(error: Exception) -> str:
    """Return an error as one bounded line, without the contents of rows that PostgreSQL adds to some."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    line = " ".join((said or str(error)).split())
    return f"{type(error).__name__}: {line}"[:MAX_REASON_CHARS]


async def stopped(connection: AsyncConnection[TupleRow]) -> list[Stopped]:
    """Return the read models that have stopped."""
    async with connection.cursor(row_factory=class_row(Stopped)) as cur:
        return await (await cur.execute(_ALL)).fetchall()


async def stop_places(connection: AsyncConnection[TupleRow]) -> list[StopPlace]:
    """Return every partition on which a read model has stopped, at most 100."""
    return [StopPlace(*row) for row in await (await connection.execute(_EACH)).fetchall()]
