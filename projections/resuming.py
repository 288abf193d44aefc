"""Resume a stopped read model: let the projector try again, or skip the record at which it stopped."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple

import structlog
from aiokafka import TopicPartition
from psycopg.rows import class_row

from projections.catalogue import CatalogueEntry
from projections.engine.health import delete_stops
from projections.engine.read_model import Cur
from transport import positions
from transport.clients.postgres import connect
from transport.positions import Move

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 20.0
"""Seconds within which a projector that runs tries again."""
_POLL_SECONDS = 0.2

_STOPS: LiteralString = """
    select topic, partition, next, record_offset, why, tried_at, now() as now from projections.stopped
    where model = %s order by topic, partition
"""
_SKIP = "insert into projections.skipped (model, topic, partition, record_offset, why) values (%s, %s, %s, %s, %s)"


class StoppedPartition(NamedTuple):
    """Where a read model has stopped, and why. record_offset: None if no record is the cause. now: of the database."""

    topic: str
    partition: int
    next: int
    record_offset: int | None
    why: str
    tried_at: datetime
    now: datetime


class NotTried(Exception):
    """No projector has tried again; probably none is running."""


def stopped_partitions(database: str, model: str) -> list[StoppedPartition]:
    """Return the partitions on which a read model has stopped. Raises: psycopg.Error."""
    with (
        connect(database, "projections") as connection,
        connection.cursor(row_factory=class_row(StoppedPartition)) as cur,
    ):
        return cur.execute(_STOPS, (model,)).fetchall()


def wait_for_retry(database: str, entry: CatalogueEntry, within: float = _RETRY_SECONDS) -> Sequence[StoppedPartition]:
    """Wait until every partition has been tried again; return those that are still stopped.

    Raises: NotTried, psycopg.Error.
    """
    left = stopped_partitions(database, entry.name)
    since = left[0].now if left else None
    end = time.monotonic() + within
    while since and any(one.tried_at <= since for one in left):
        if time.monotonic() > end:
            msg = (
                f"no projector has tried {entry.name} again within {within:.0f} s: "
                "check that one is running; it tries again as soon as it starts"
            )
            raise NotTried(msg)
        time.sleep(_POLL_SECONDS)
        left = stopped_partitions(database, entry.name)
    return left


def skip_records(database: str, entry: CatalogueEntry) -> list[StoppedPartition]:
    """Skip the record at which each partition has stopped, and store that it was skipped; return where that was.

    Raises: PositionLost when a projector has moved on; psycopg.Error.
    """
    skipped = [one for one in stopped_partitions(database, entry.name) if one.record_offset is not None]
    with connect(database, "projections") as connection, connection.transaction(), connection.cursor() as cur:
        for one in skipped:
            _skip(cur, entry, one, one.record_offset or 0)
    for one in skipped:
        place = {"topic": one.topic, "partition": one.partition, "offset": one.record_offset}
        log.warning("record_skipped_on_purpose", model=entry.name, **place, why=one.why)
    return skipped


def _skip(cur: Cur, entry: CatalogueEntry, at: StoppedPartition, offset: int) -> None:
    positions.advance(cur, entry.consumer, [Move(at.topic, at.partition, was=at.next, next=offset + 1)])
    cur.execute(_SKIP, (entry.name, at.topic, at.partition, offset, at.why))
    delete_stops(cur, [(entry.name, TopicPartition(at.topic, at.partition))])
