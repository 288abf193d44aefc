"""The reply to a command, and how far replies have come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.names import HTTP_SOURCES
from projections.replies.row import CommandPlace

_REPLY: LiteralString = """
    select reply from projections.replies
    where command_id = %(id)s and topic = any(%(topics)s)
        and case when %(sources)s::text[] is null then starts_with(source, %(http)s) else source = any(%(sources)s) end
    order by final desc, replied_at, source, topic limit 1
"""
_LAST = "select topic, partition, record_offset from projections.reply_places where topic = any(%s)"


@dataclass(frozen=True, slots=True)
class CommandKey:
    """Which command: its id, where it may lie, and its possible sources; None is any that came over HTTP."""

    command_id: str
    sources: frozenset[str] | None
    topics: Sequence[str]

    def fits(self, command_id: str | None, source: str | None) -> bool:
        """Return whether a command with this id and source is meant."""
        if command_id != self.command_id or source is None:
            return False
        return source.startswith(HTTP_SOURCES) if self.sources is None else source in self.sources


class KnownCommand(NamedTuple):
    """A command that has a reply, as JSON text, or is parked and has none yet.

    reply: the first that used the command's id up, else the last that left it free.
    """

    reply: str | None


async def of(connection: AsyncConnection[TupleRow], key: CommandKey) -> KnownCommand | None:
    """Return a command that has a reply or is parked; None where it is unknown, or has only just come."""
    sources = None if key.sources is None else list(key.sources)
    facts = {"id": key.command_id, "sources": sources, "topics": list(key.topics), "http": HTTP_SOURCES}
    found = await (await connection.execute(_REPLY, facts)).fetchone()
    return KnownCommand(*found) if found else None


async def last_replied_to(connection: AsyncConnection[TupleRow], topics: Sequence[str]) -> list[CommandPlace]:
    """Return the command in each partition that was replied to last."""
    return [CommandPlace(*row) for row in await (await connection.execute(_LAST, (list(topics),))).fetchall()]
