"""Reading one partition of the log in order, whole command by whole command."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, LiteralString

import psycopg
import structlog
from psycopg.rows import TupleRow

from service.store import log_tables
from service.store.log_tables import LogRow
from transport.clients.postgres import BY_KEY, connect_async, spoils

log = structlog.get_logger(__name__)

MAX_ROWS = 1000
MAX_BYTES = 4 << 20
"""Rows, and bytes of their keys, values and headers, in one reading. A command that has more is read alone."""
ASK_STANDBYS_EVERY = 0.005
"""Seconds between two looks at how far the standbys are."""
WARN_AFTER, WARN_EVERY = 1.0, 30.0
"""Seconds of waiting for standbys until the first warning, and from each to the next."""


class LogDiffers(Exception):
    """The log does not hold what was published of it: this is another database, or one that lost something."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """The last entry that was published: its place and its identity, where known. Place 0 is before the first."""

    place: int
    entry: str | None

    @classmethod
    def of(cls, row: LogRow) -> "LogPosition":
        """Return the position at a row."""
        return cls(row.place, row.identity)

    @classmethod
    def read(cls, value: bytes) -> "LogPosition":
        """Read what `write` wrote. Raises: ValueError for anything else."""
        match json.loads(value):
            case {"position": int(place)} as found if isinstance(entry := found.get("entry"), str | None):
                return cls(place, entry)
            case other:
                msg = f"this is not a position of a relay: {str(other)[:100]}"
                raise ValueError(msg)

    def is_at(self, row: LogRow) -> bool:
        """Return whether a row is the entry that was published last."""
        return row.place == self.place and self.entry in {None, row.identity}

    def refuse_older(self, partition: int, noted: int) -> None:
        """Refuse a position that lies before the place up to which the log is noted to be published.

        Raises: LogDiffers.
        """
        if self.place < noted:
            msg = (
                f"partition {partition} of the log was published up to {noted}, but the topics know of {self.place}: "
                "Kafka lost what was published last"
            )
            raise LogDiffers(msg)

    def write(self) -> bytes:
        """Return the position as the topic of the relays holds it."""
        return json.dumps({"position": self.place, "entry": self.entry}).encode()


GENESIS = LogPosition(0, None)


def whole_commands(rows: Sequence[LogRow]) -> Sequence[LogRow]:
    """Leave out what begins a command that does not end in these rows."""
    end = next((index for index in range(len(rows), 0, -1) if rows[index - 1].ends), 0)
    return rows[:end]


class LogReader:
    """Reads the log, any partition of it, over one session with the store."""

    def __init__(self, database: str, standbys: int = 0) -> None:
        """``standbys``: how many of PostgreSQL's must have flushed what is read before it is returned."""
        self._database = database
        self._standbys = standbys
        self._session: psycopg.AsyncConnection[TupleRow] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def after(self, partition: int, position: LogPosition) -> Sequence[LogRow]:
        """Return the next whole commands after a position; none if nothing is new.

        Raises: LogDiffers when the entry at the position is not the one that was published.
        """
        session = await self._opened()
        rows = await self._whole_commands(partition, position)
        if rows and self._standbys:
            await self._until_flushed(partition)
            if self._session is not session:
                msg = "the session over which the log was read has ended: the server behind the next may not hold it"
                raise psycopg.OperationalError(msg)
        return rows

    async def _whole_commands(self, partition: int, position: LogPosition) -> Sequence[LogRow]:
        wanted = {"partition": partition, "place": position.place}
        rows = await self._rows(log_tables.AFTER, wanted | {"rows": MAX_ROWS, "bytes": MAX_BYTES})
        news = rows_behind(partition, position, rows)
        if (whole := whole_commands(news)) or not news:
            return whole
        end = await self.execute(log_tables.END_OF_COMMAND, wanted)
        if not end or end[0][0] is None:
            return ()
        rows = await self._rows(log_tables.COMMAND, wanted | {"end": end[0][0]})
        return rows_behind(partition, position, rows)

    async def ends(self) -> Sequence[tuple[int, int, bool]]:
        """Return each partition, its last place, and whether it is stopped."""
        return [(partition, last, stopped) for partition, last, stopped in await self.execute(log_tables.LOG_ENDS, {})]

    async def check_end(self, partition: int, position: LogPosition) -> int:
        """Check that the log ends at a position behind which nothing was found, and return its last place.

        A hole that is wider than one reading looks like the end otherwise. If the partition was stopped, it resumes.
        Raises: LogDiffers.
        """
        ((last, stopped),) = await self.execute(log_tables.LAST_PLACE, {"partition": partition})
        if last > position.place and not await self.after(partition, position):
            msg = f"partition {partition} of the log has nothing behind {position.place}, but was written up to {last}"
            raise LogDiffers(msg)
        if stopped:
            await self.execute(log_tables.RESUME, {"partition": partition})
        return last

    async def refuse_older(self, partition: int, position: LogPosition) -> None:
        """Check that a position is not older than what is noted. Raises: LogDiffers."""
        position.refuse_older(partition, dict[int, int](await self.execute(log_tables.NOTED, {}))[partition])

    async def stop(self, partition: int, why: str) -> None:
        """Let nothing more be written to a partition."""
        await self.execute(log_tables.STOP, {"partition": partition, "why": why})

    async def note_published(self, places: dict[int, int]) -> None:
        """Note how far partitions are published: nothing before that may be missing from the topics any more."""
        await self.execute(log_tables.NOTE_PUBLISHED, {"partitions": list(places), "places": list(places.values())})

    async def execute(self, query: LiteralString, parameters: dict[str, Any]) -> list[TupleRow]:
        """Run a statement, and return its rows if it has any."""
        session = await self._opened()
        async with self._one_at_a_time:
            try:
                async with session.cursor(binary=True) as cur:
                    await cur.execute(query, parameters)
                    return await cur.fetchall() if cur.description else []
            except psycopg.Error as error:
                if spoils(error):
                    await session.close()
                raise

    async def _opened(self) -> psycopg.AsyncConnection[TupleRow]:
        async with self._one_at_a_time:
            if self._session is None or self._session.closed:
                self._session = await connect_async(self._database, "relay", **BY_KEY)
            return self._session

    async def _until_flushed(self, partition: int) -> None:
        """Wait until enough standbys have flushed all that was committed before."""
        ((lsn,),) = await self.execute(log_tables.FLUSH, {})
        warned = monotonic() + WARN_AFTER - WARN_EVERY
        while True:
            ((standbys,),) = await self.execute(log_tables.FLUSHED, {"lsn": lsn})
            if standbys >= self._standbys:
                return
            if monotonic() - warned > WARN_EVERY:
                warned = monotonic()
                log.warning(
                    "publication_waits_for_standbys", partition=partition, flushed=standbys, wanted=self._standbys
                )
            await asyncio.sleep(ASK_STANDBYS_EVERY)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def _rows(self, query: LiteralString, parameters: dict[str, Any]) -> list[LogRow]:
        return list(map(LogRow._make, await self.execute(query, parameters)))


def rows_behind(partition: int, position: LogPosition, rows: Sequence[LogRow]) -> Sequence[LogRow]:
    """Return the rows behind a position, of which the first is the one at it, once it is sure that they are.

    Raises: LogDiffers.
    """
    if position.place:
        if not rows or not position.is_at(rows[0]):
            msg = f"partition {partition} of the log does not hold at {position.place} what was published from there"
            raise LogDiffers(msg)
        rows = rows[1:]
    for place, row in enumerate(rows, start=position.place + 1):
        if row.place != place:
            msg = f"partition {partition} of the log has nothing at {place}, but something at {row.place}"
            raise LogDiffers(msg)
    return rows
