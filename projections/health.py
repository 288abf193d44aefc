"""Which read models cannot go on, and why: written where the api and every operator can see it."""

from typing import LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from events.values import Record, Time

_STOPPED = "update projections.built set stopped = %s, stopped_at = coalesce(stopped_at, now()) where model = %s"
_GOES_ON = "update projections.built set stopped = null, stopped_at = null where model = %s and stopped is not null"
_ALL = "select model, stopped as why, stopped_at as since from projections.built where stopped is not null order by 1"


class Stopped(Record):
    """A read model that has stopped; the others go on, and queries tell what it knew until then."""

    model: str
    why: str
    since: Time


class Health:
    """Tells of one read model whether it can go on."""

    def __init__(self, database: str, model: str) -> None:
        self._database = database
        self._model = model
        self._known: str | None = "what an earlier process found"

    def stopped(self, reason: Exception) -> None:
        """Say that an event cannot be folded, and which."""
        if (why := str(reason)) != self._known:
            self._write(_STOPPED, why, self._model)
            self._known = why

    def goes_on(self) -> None:
        """Say that it goes on."""
        if self._known is not None:
            self._write(_GOES_ON, self._model)
            self._known = None

    def _write(self, statement: LiteralString, *facts: str) -> None:
        with psycopg.connect(self._database, connect_timeout=5) as connection:
            connection.execute(statement, facts)


async def stopped(connection: AsyncConnection[TupleRow]) -> list[Stopped]:
    """Return the read models that have stopped."""
    async with connection.cursor(row_factory=class_row(Stopped)) as cur:
        return await (await cur.execute(_ALL)).fetchall()
