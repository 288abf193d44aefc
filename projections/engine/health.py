"""Which read models have stopped, where and why: stored where the api and every operator can see it."""

from collections.abc import Collection, Mapping
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
    create table if not exists projections.skipped ( -- records that an operator has stepped over on purpose
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
_STOPPED = """
    insert into projections.stopped as s (model, topic, partition, next, record_offset, why)
    select %s, * from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])
    on conflict (model, topic, partition) do update set
        next = excluded.next, record_offset = excluded.record_offset, why = excluded.why, tried_at = now(),
        since = case when s.why = excluded.why then s.since else now() end
"""
_FOUND = """
    select topic, partition from projections.stopped
    join unnest(%s::text[], %s::int[]) as asked (topic, partition) using (topic, partition) where model = %s
"""
_GOES_ON = """
    delete from projections.stopped as s using unnest(%s::text[], %s::int[]) as on_again (topic, partition)
    where s.model = %s and s.topic = on_again.topic and s.partition = on_again.partition
"""
_WRITES = "insert into projections.writers (model, code) values (%s, %s) on conflict do nothing"
_RETIRED = "select 1 from projections.writers where model = %s and code = %s and retired"
_ALL = """
    select model, why, array_agg(partition order by partition) as partitions, min(since) as since
    from projections.stopped group by model, why order by model, min(partition) limit 100
"""


class Stopped(Message):
    """A read model that has stopped on these partitions. Others continue; queries show what it knew until then."""

    model: str
    partitions: list[int]
    why: str
    since: Time


class Stop(NamedTuple):
    """Why a partition has stopped. next: its position. record_offset: None if no record is the cause."""

    next: int
    record_offset: int | None
    why: str


class Retired(Exception):
    """A release other than this program's has rebuilt the read model since this one wrote it."""

    def __init__(self) -> None:
        super().__init__("another release has rebuilt it: run the projector of that release, or rebuild it with this")


class Health:
    """Records on which partitions one read model has stopped."""

    def __init__(self, database: str, model: str, code: str = "") -> None:
        """``code``: the fingerprint of what writes the rows."""
        self._database = database
        self._model = model
        self._code = code
        self._stopped: frozenset[TopicPartition] = frozenset()
        self._told: dict[TopicPartition, str] = {}

    def found(self, cur: Cur, partitions: Collection[TopicPartition]) -> None:
        """Learn which of these partitions had stopped, whichever process said so, and that this code writes them."""
        cur.execute(_WRITES, (self._model, self._code))
        cur.execute(_FOUND, (*_columns(partitions), self._model))
        self._stopped |= {TopicPartition(topic, partition) for topic, partition in cur.fetchall()}

    def going_on(self, cur: Cur, partitions: Collection[TopicPartition]) -> None:
        """Say that these partitions go on. Raises: Retired.

        Called with their positions locked, which a rebuild locks all before it switches: none can do so in between.
        """
        if cur.execute(_RETIRED, (self._model, self._code)).fetchone():
            raise Retired
        if self._stopped.intersection(partitions):
            cur.execute(_GOES_ON, (*_columns(partitions), self._model))

    def went_on(self, partitions: Collection[TopicPartition]) -> None:
        """Note that the partitions run again, once that is committed."""
        for partition in self._stopped.intersection(partitions):
            log.info("read_model_resumed", model=self._model, topic=partition.topic, partition=partition.partition)
        self._stopped -= frozenset(partitions)
        for partition in partitions:
            self._told.pop(partition, None)

    def clear(self, partitions: Collection[TopicPartition]) -> None:
        """Record that these partitions run again, in a transaction of its own, whichever process had recorded the stop.

        Raises: psycopg.Error.
        """
        with connect(self._database, "projector") as connection:
            connection.execute(_GOES_ON, (*_columns(partitions), self._model))
        self.went_on(partitions)

    def stopped(self, stops: Mapping[TopicPartition, Stop]) -> None:
        """Record that these partitions have stopped. While the database is down, nothing is recorded."""
        ordered = sorted(stops)
        for partition in ordered:
            if self._told.get(partition) != (why := stops[partition].why):
                log.error("read_model_stopped", model=self._model, partition=partition.partition, why=why)
                self._told[partition] = why
        facts = [list(column) for column in zip(*(stops[partition] for partition in ordered), strict=True)]
        try:
            with connect(self._database, "projector") as connection:
                connection.execute(_STOPPED, (self._model, *_columns(ordered), *facts))
        except psycopg.Error as error:
            log.debug("read_model_stop_not_written", model=self._model, error=str(error))
        self._stopped |= frozenset(ordered)


def _columns(partitions: Collection[TopicPartition]) -> tuple[list[str], list[int]]:
    return [one.topic for one in partitions], [one.partition for one in partitions]


def reason(error: Exception) -> str:
    """Return an error as one bounded line, without what PostgreSQL adds of the rows themselves."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    line = " ".join((said or str(error)).split())
    return f"{type(error).__name__}: {line}"[:MAX_REASON_CHARS]


async def stopped(connection: AsyncConnection[TupleRow]) -> list[Stopped]:
    """Return the read models that have stopped."""
    async with connection.cursor(row_factory=class_row(Stopped)) as cur:
        return await (await cur.execute(_ALL)).fetchall()
