"""The tables of replies. A count is exact: it changes in the transaction that moves the positions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from events.topics import PARKED_TOPIC, WEEK
from projections.engine.foreign_records import report_foreign
from projections.engine.read_model import Cur, about
from projections.replies.row import CommandPlace, NoticeRow, ReplyRow, notice_row, reply_row
from transport.records import KafkaRecord, Undecodable

_CREATE = """
    create table {table} (
        command_id text collate "C" not null,
        source text collate "C" not null,
        topic text collate "C" not null, -- that the command was read from
        final boolean not null, -- the command's id is used up
        replied_at timestamptz,
        reply text, -- JSON; null while the command is parked
        primary key (command_id, source, topic)
    )
"""
_INDEX = "create index on {table} (replied_at)"
_CREATE_COUNTS = """
    create table {table} (
        command_type text not null, -- of a command, else 'unknown': publishers can invent any number of names
        answer text not null, -- a refusal's code, or ACCEPTED
        times bigint not null,
        last_at timestamptz not null,
        primary key (command_type, answer)
    )
"""
_CREATE_PLACES = """
    create table {table} (
        topic text collate "C" not null, -- of commands
        partition integer not null,
        record_offset bigint not null, -- of the last command with a reply in the same partition
        primary key (topic, partition)
    )
"""
_KEEP = """
    insert into {table} as t (command_id, source, topic, final, replied_at, reply)
    select i, s, p, f, least(to_timestamp(a / 1000.0), now()), r
    from unnest(%b::text[], %b::text[], %b::text[], %b::bool[], %b::bigint[], %b::text[]) as kept (i, s, p, f, a, r)
    on conflict (command_id, source, topic) do update
        set final = excluded.final, replied_at = excluded.replied_at, reply = excluded.reply
        where not t.final
"""
_PARK = """
    insert into {table} (command_id, source, topic, final)
    select i, s, p, false from unnest(%b::text[], %b::text[], %b::text[]) as parked (i, s, p)
    on conflict do nothing
"""
# Twice as many as have come, so that no more is kept for long. Nobody waits for whoever deletes the same.
_FORGET = """
    delete from {table} where ctid = any(array(
        select ctid from {table} where replied_at < now() - %b::interval order by replied_at limit %b
        for update skip locked
    ))
"""
_COUNT = """
    insert into {table} as t (command_type, answer, times, last_at)
    select c, a, n, to_timestamp(l / 1000.0) from unnest(%b::text[], %b::text[], %b::bigint[], %b::bigint[])
        as counted (c, a, n, l)
    on conflict (command_type, answer) do update
        set times = t.times + excluded.times, last_at = greatest(t.last_at, excluded.last_at)
"""
_MOVE = """
    insert into {table} (topic, partition, record_offset)
    select * from unnest(%b::text[], %b::int[], %b::bigint[])
    on conflict (topic, partition) do update set record_offset = excluded.record_offset
"""


@dataclass(frozen=True, slots=True)
class Replies:
    """The read model, in three tables.

    replies: the reply to each command. The first that uses the command's id up stays; one that leaves it free is
    replaced by any later one. A parked command is there without a reply. reply_counts: how often each command got each
    answer, replays left out. reply_places: the command that was replied to last in each partition. Those before it have
    their replies here or are parked, if they lie in the partition that Kafka's own clients choose for their keys: only
    replies in one partition are in order.
    """

    suffix: str = ""

    def names(self) -> Sequence[str]:
        """Return the names of its tables."""
        return tuple(f"{name}{self.suffix}" for name in ("replies", "reply_counts", "reply_places"))

    def create(self, cur: Cur) -> None:
        """Create the tables."""
        for name, statement in zip(self.names(), (_CREATE, _CREATE_COUNTS, _CREATE_PLACES), strict=True):
            cur.execute(about(name, statement))

    def index(self, cur: Cur) -> None:
        """Create the index by which replies are forgotten."""
        cur.execute(about(self.names()[0], _INDEX))

    def project(self, cur: Cur, records: Sequence[KafkaRecord]) -> None:
        """Write replies and notices. Other records are left out: a foreign writer must not stop the rest."""
        read = [(record, _row(record)) for record in records]
        report_foreign([record for record, row in read if row is None])
        replies, counts, places = self.names()
        _write(cur, replies, _PARK, {row.key for _, row in read if isinstance(row, NoticeRow)})
        if rows := [row for _, row in read if isinstance(row, ReplyRow)]:
            _write(cur, replies, _KEEP, _kept(rows))
            cur.execute(about(replies, _FORGET), (WEEK, 2 * len(rows)))
            _write(cur, counts, _COUNT, _counted(rows))
            _write(cur, places, _MOVE, _last_places(rows))


def _row(record: KafkaRecord) -> ReplyRow | NoticeRow | None:
    if isinstance(record, Undecodable):
        return None
    return notice_row(record) if record.topic == PARKED_TOPIC else reply_row(record)


def _write(cur: Cur, table: str, statement: LiteralString, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows by a statement with one array for each column, always in the same order: others may write the same."""
    if columns := list(map(list, zip(*sorted(rows), strict=True))):
        cur.execute(about(table, statement), columns)


def _last_places(rows: Iterable[ReplyRow]) -> Iterable[CommandPlace]:
    return {row.place[:2]: row.place for row in rows if row.place.partition == row.partition}.values()


def _kept(rows: Iterable[ReplyRow]) -> Iterator[tuple[str, str, str, bool, int, str]]:
    kept: dict[tuple[str, str, str], ReplyRow] = {}
    for row in rows:
        if (earlier := kept.get(row.key)) is None or not earlier.final:
            kept[row.key] = row
    return ((*key, row.final, row.at, row.text) for key, row in kept.items())


def _counted(rows: Iterable[ReplyRow]) -> Iterator[tuple[str, str, int, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], int] = {}
    for row in rows:
        if not row.replayed:
            answer = row.command_type, row.answer
            counts[answer] += 1
            last[answer] = max(last.get(answer, 0), row.at)
    return ((*answer, times, last[answer]) for answer, times in counts.items())
