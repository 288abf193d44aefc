"""Dead letters, and what became of each."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row
from psycopg.sql import SQL

from events.values import InvoiceNumber, Message, Time
from projections.engine.read_model import Cur

LetterOutcome = Literal["waiting", "replaying", "replayed", "discarded"]

# One whose record was replayed and is unreadable again has a letter of its own, the later one.
_SELECT: LiteralString = """
    select l.topic, l.partition, l.record_offset, l.letter_partition, l.letter_offset, l.invoice_number, l.reason,
        l.error, l.buried_at, coalesce(h.outcome, 'waiting') as outcome, h.decided_at, h.decided_by, h.why,
        h.replayed_as, later.record_offset is not null as unreadable_again, earlier.record_offset as replay_of
    from projections.dead_letters as l
    left join projections.handled_dead_letters as h using (topic, partition, record_offset)
    left join projections.handled_dead_letters as earlier
        on earlier.topic = l.topic and earlier.partition = l.partition and earlier.replayed_as = l.record_offset
    left join projections.dead_letters as later
        on later.topic = l.topic and later.partition = l.partition and later.record_offset = h.replayed_as
"""
_NEWEST = SQL(_SELECT + " order by l.buried_at desc, l.topic, l.partition, l.record_offset limit %(limit)s")
_FILTERED = SQL(_SELECT + " where {} order by l.topic, l.partition, l.record_offset")
_FILTERS: dict[LiteralString, str] = {
    "l.reason = %(reason)s": "reason",
    "l.topic = %(topic)s": "topic",
    "l.partition = %(partition)s": "partition",
    "l.buried_at >= %(since)s": "since",
    "l.invoice_number = %(invoice)s": "invoice",
    "l.topic || '/' || l.partition || '/' || l.record_offset = any(%(places)s)": "places",
}
_UNDECIDED: LiteralString = " and (h.outcome is null or h.outcome = 'replaying')"
_PLACE = re.compile(r"([a-z.-]{1,100})/([0-9]{1,9})/([0-9]{1,18})", re.ASCII)


class NotAPlace(Exception):
    """A text that should say where a record lay does not."""


class RecordPlace(NamedTuple):
    """Where the record of a dead letter lay: written ``invoice.commands.tax/3/17``."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """Write it as `parse_place` reads it."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def parse_place(text: str) -> RecordPlace:
    """Read a place. Raises: NotAPlace."""
    found = _PLACE.fullmatch(text)
    if found is None:
        msg = f"{text}: must be TOPIC/PARTITION/OFFSET, such as invoice.commands.tax/3/17"
        raise NotAPlace(msg)
    return RecordPlace(found[1], int(found[2]), int(found[3]))


class DeadLetter(Message):
    """Where an unreadable record lies, why it is unreadable, and what became of it.

    outcome: `replaying` while a replay is under way or was interrupted. replayed_as: the offset, in the same partition,
    of the record that was sent again. unreadable_again: that one became a dead letter too, and replay_of in its letter
    is the offset of this one.
    """

    topic: str
    partition: int
    record_offset: int
    letter_partition: int
    letter_offset: int
    invoice_number: InvoiceNumber | None = None
    reason: str
    error: str
    buried_at: Time
    outcome: LetterOutcome
    decided_at: Time | None = None
    decided_by: str | None = None
    why: str | None = None
    replayed_as: int | None = None
    unreadable_again: bool = False
    replay_of: int | None = None

    @property
    def place(self) -> RecordPlace:
        """Where the record lay."""
        return RecordPlace(self.topic, self.partition, self.record_offset)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters: those for which everything given holds.

    since: buried then or later. invoice: a number. undecided: neither replayed nor discarded.
    """

    places: list[str] | None = None
    reason: str | None = None
    topic: str | None = None
    partition: int | None = None
    since: datetime | None = None
    invoice: str | None = None
    undecided: bool = False


def find_letters(cur: Cur, wanted: LetterFilter) -> list[DeadLetter]:
    """Return the dead letters that pass a filter, by place."""
    given = {name: getattr(wanted, name) for name in _FILTERS.values() if getattr(wanted, name) is not None}
    conditions = [SQL(condition) for condition, name in _FILTERS.items() if name in given]
    where = SQL(" and ").join([SQL("true"), *conditions]) + SQL(_UNDECIDED if wanted.undecided else "")
    with cur.connection.cursor(row_factory=class_row(DeadLetter)) as typed:
        return typed.execute(_FILTERED.format(where), given).fetchall()


async def newest_letters(connection: AsyncConnection[TupleRow], limit: int) -> list[DeadLetter]:
    """Return the dead letters that were buried last, the newest first."""
    async with connection.cursor(row_factory=class_row(DeadLetter)) as cur:
        return await (await cur.execute(_NEWEST, {"limit": limit})).fetchall()
