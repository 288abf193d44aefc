"""Reading one partition of the log in order, whole command by whole command."""

import asyncio
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, LiteralString, NamedTuple

import psycopg
import structlog
from psycopg.rows import TupleRow

from service.store.rows import CHANNEL
from transport.clients.postgres import connect_async, spoils

log = structlog.get_logger(__name__)

MAX_ROWS = 1000
MAX_BYTES = 4 << 20
"""Rows, and bytes of their keys, values and headers, in one reading. A command that has more is read alone."""


class LogDiffers(Exception):
    """The log does not hold what was published of it: this is another database, or one that lost something."""


class LogRow(NamedTuple):
    """One entry of the log. ends: the last entry of its command."""

    place: int
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

    @property
    def identity(self) -> str:
        """What tells this entry from any other, and from what might come to stand in its place."""
        facts = (self.place, self.kind, self.name, self.id, self.subject, self.version, self.at.astimezone(UTC))
        digest = blake2b(repr(facts).encode(), digest_size=16)
        for part in (self.key, self.value):
            digest.update(b"-" if part is None else b"%d:%b" % (len(part), part))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class LogPosition:
    """The last entry that was published: its place and its identity. Place 0 is before the first."""

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
            case {"position": int(place), "entry": str() | None as entry}:
                return cls(place, entry)
            case other:
                msg = f"this is no position of a relay: {str(other)[:100]}"
                raise ValueError(msg)

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

    def __init__(self, database: str) -> None:
        self._database = database
        self._session: psycopg.AsyncConnection[TupleRow] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def after(self, partition: int, position: LogPosition) -> Sequence[LogRow]:
        """Return the next whole commands after a position; none if there is no news.

        Raises: LogDiffers when the entry at the position is not the one that was published.
        """
        wanted = {"partition": partition, "place": position.place}
        rows = await self._rows(_LOG, wanted | {"rows": MAX_ROWS + 1, "bytes": MAX_BYTES})
        news = _behind(partition, position, rows)
        if (whole := whole_commands(news)) or not news:
            return whole
        end = await self.execute(_END, wanted)
        if not end or end[0][0] is None:
            return ()
        rows = await self._rows(_COMMAND, wanted | {"end": end[0][0]})
        return _behind(partition, position, rows)

    async def note_published(self, places: dict[int, int]) -> None:
        """Note how far partitions are published, for the operations board."""
        await self.execute(_NOTE_PUBLISHED, {"partitions": list(places), "places": list(places.values())})

    async def execute(self, query: LiteralString, parameters: dict[str, Any]) -> list[TupleRow]:
        """Run a statement, and return its rows if it has any."""
        async with self._one_at_a_time:
            if self._session is None or self._session.closed:
                self._session = await connect_async(self._database, "relay")
            try:
                async with self._session.cursor(binary=True) as cur:
                    await cur.execute(query, parameters)
                    return await cur.fetchall() if cur.description else []
            except psycopg.Error as error:
                if spoils(error):
                    await self._session.close()
                raise

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def _rows(self, query: LiteralString, parameters: dict[str, Any]) -> list[LogRow]:
        return [LogRow(*row) for row in await self.execute(query, parameters)]


def _behind(partition: int, position: LogPosition, rows: Sequence[LogRow]) -> Sequence[LogRow]:
    """Return the rows behind the position, once it is sure that they are."""
    if position.place:
        if not rows or LogPosition.of(rows[0]) != position:
            msg = f"partition {partition} of the log does not hold at {position.place} what was published from there"
            raise LogDiffers(msg)
        rows = rows[1:]
    for place, row in enumerate(rows, start=position.place + 1):
        if row.place != place:
            msg = f"partition {partition} of the log has nothing at {place}, but something at {row.place}"
            raise LogDiffers(msg)
    return rows


class News:
    """Wakes whoever waits for a partition to grow."""

    LOOK_AGAIN = 1.0
    """Seconds after which the log is read without having been told of news, which can be lost."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Event] = {}

    @contextmanager
    def of(self, partition: int) -> Generator[asyncio.Event]:
        """Give what is set when the partition has grown."""
        self._waiting[partition] = asyncio.Event()
        try:
            yield self._waiting[partition]
        finally:
            del self._waiting[partition]

    @classmethod
    async def wait(cls, event: asyncio.Event) -> None:
        """Wait until there may be something new, and forget that there was."""
        try:
            async with asyncio.timeout(cls.LOOK_AGAIN):
                await event.wait()
        except TimeoutError:
            return
        event.clear()

    async def listen(self, database: str) -> None:
        """Listen until the session ends. Raises: psycopg.OperationalError."""
        async with await connect_async(database, "relay") as session:
            await session.execute(f"listen {CHANNEL}")
            for event in self._waiting.values():
                event.set()
            async for notice in session.notifies():
                for partition in notice.payload.split(","):
                    if event := self._waiting.get(int(partition)):
                        event.set()


_ENTRIES: LiteralString = """
    select place, false as ends, 'event' as kind, convert_to(originator_id, 'UTF8') as key, state as value,
        topic as name, '' as id, originator_id as subject, occurred_at as at, causation_id as causation,
        correlation_id as correlation, traceparent, originator_version as version,
        null::bytea[] as header_names, null::bytea[] as header_values
    from redletter.invoice_events where partition = %(partition)s and {places}
    union all
    select place, true, 'reply', record_key, value, name, id, subject, sent_at, causation_id, correlation_id,
        traceparent, null, null, null
    from redletter.replies where partition = %(partition)s and {places}
    union all
    select place, not answered, 'dead letter', record_key, value, '', '', null, buried_at, '', '', null, null,
        header_names || array['dl_reason', 'dl_error', 'dl_topic', 'dl_partition', 'dl_offset']::bytea[],
        header_values || array[convert_to(reason, 'UTF8'), convert_to(error, 'UTF8'), convert_to(topic, 'UTF8'),
            convert_to(record_partition::text, 'UTF8'), convert_to(record_offset::text, 'UTF8')]
    from redletter.dead_letters where partition = %(partition)s and {places}
"""
_COLUMNS: LiteralString = """
    place, ends, kind, key, value, name, id, subject, at, causation, correlation, traceparent, version, header_names,
    header_values
"""
_LOG: LiteralString = """
    select {columns} from (
        select *, sum(size) filter (where place > %(place)s)
            over (order by place rows between unbounded preceding and 1 preceding) as before
        from (
            select *, 1024 + coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) + coalesce(
                (select sum(octet_length(part)) from unnest(header_names || header_values) as part), 0) as size
            from ({entries} order by place limit %(rows)s) as entries
        ) as measured
    ) as added
    where before is null or before < %(bytes)s
    order by place
""".format(columns=_COLUMNS, entries=_ENTRIES.format(places="place >= %(place)s"))  # noqa: S608 - literals alone
"""The entry at the position, and what comes behind it. 1024: the headers that every message has."""
_COMMAND: LiteralString = """
    select {columns} from ({entries}) as entries order by place
""".format(columns=_COLUMNS, entries=_ENTRIES.format(places="place between %(place)s and %(end)s"))  # noqa: S608 - the same
_END: LiteralString = """
    select min(place) from (
        (select place from redletter.replies where partition = %(partition)s and place > %(place)s
            order by place limit 1)
        union all
        (select place from redletter.dead_letters
            where partition = %(partition)s and place > %(place)s and not answered order by place limit 1)
    ) as ends
"""
_NOTE_PUBLISHED: LiteralString = """
    update redletter.published as p set place = t.place
    from unnest(%(partitions)s::int[], %(places)s::bigint[]) as t (partition, place)
    where p.partition = t.partition and p.place < t.place
"""
