"""What became of dead letters: a row for each one that was replayed or discarded, written once and for all."""

from collections.abc import Iterable, Sequence
from typing import LiteralString
from uuid import UUID

from events.topics import DEAD_LETTERS_KEPT
from projections.dead_letters.queries import DeadLetter, RecordPlace
from projections.dead_letters.table import DeadLetters
from projections.engine.read_model import Cur

CREATE_HANDLED: LiteralString = """
    create table if not exists projections.handled_dead_letters (
        topic text not null,
        partition integer not null,
        record_offset bigint not null,
        outcome text not null, -- replaying: in a transaction that was not known to be committed when this was written
        decided_at timestamptz not null default now(),
        decided_by text not null,
        why text, -- of a discard
        replay uuid, -- the name of the transaction
        index_in_replay integer,
        replayed_as bigint, -- the offset of the record that was sent again, in the same partition
        primary key (topic, partition, record_offset)
    );
    create index if not exists handled_dead_letters_replayed_as
        on projections.handled_dead_letters (topic, partition, replayed_as) where replayed_as is not null;
    create index if not exists handled_dead_letters_replaying
        on projections.handled_dead_letters (replay) where outcome = 'replaying'
"""
_DISCARD = """
    insert into projections.handled_dead_letters (topic, partition, record_offset, outcome, decided_by, why)
    select t, p, o, 'discarded', %s, %s from unnest(%s::text[], %s::int[], %s::bigint[]) as l (t, p, o)
    on conflict do nothing returning topic, partition, record_offset
"""
_BEGIN_REPLAY = """
    insert into projections.handled_dead_letters
        (topic, partition, record_offset, outcome, decided_by, replay, index_in_replay)
    select t, p, o, 'replaying', %s, %s, i - 1
    from unnest(%s::text[], %s::int[], %s::bigint[]) with ordinality as l (t, p, o, i)
"""
_REPLAYED = """
    update projections.handled_dead_letters as h set outcome = 'replayed', replayed_as = r.offset_
    from unnest(%s::bigint[]) with ordinality as r (offset_, i)
    where h.replay = %s and h.outcome = 'replaying' and h.index_in_replay = r.i - 1
"""
_NOT_REPLAYED = "delete from projections.handled_dead_letters where outcome = 'replaying'"
_DELETE_OLD = """
    delete from projections.handled_dead_letters as h where decided_at < now() - %s and not exists (
        select from projections.dead_letters as l
        where l.topic = h.topic and l.partition = h.partition and l.record_offset = h.record_offset
    )
"""


def discard(cur: Cur, letters: Iterable[DeadLetter], *, by: str, why: str) -> list[RecordPlace]:
    """Record that nobody needs these; return the places of those that were not replayed or discarded before."""
    cur.execute(_DISCARD, (by, why, *_columns(letters)))
    return [RecordPlace(*row) for row in cur.fetchall()]


def begin_replay(cur: Cur, letters: Iterable[DeadLetter], name: UUID, *, by: str) -> None:
    """Record that a transaction of this name is about to replay these, in this order.

    Raises: psycopg.errors.UniqueViolation when one of them has been discarded in the meantime.
    """
    cur.execute(_BEGIN_REPLAY, (by, name, *_columns(letters)))


def end_replay(cur: Cur, name: UUID, offsets: Sequence[int]) -> None:
    """Record that the transaction was committed. offsets: of the records that it sent, in order."""
    cur.execute(_REPLAYED, (list(offsets), name))


def forget_replays(cur: Cur) -> None:
    """Record that no transaction that was not ended was committed: what they would have replayed waits again."""
    cur.execute(_NOT_REPLAYED)


def delete_old(cur: Cur) -> int:
    """Delete what the topic no longer keeps, and what became of it; return how many dead letters that were."""
    deleted = DeadLetters().delete_old(cur)
    cur.execute(_DELETE_OLD, (DEAD_LETTERS_KEPT,))
    return deleted


def _columns(letters: Iterable[DeadLetter]) -> tuple[list[str], list[int], list[int]]:
    places = [letter.place for letter in letters]
    return [one.topic for one in places], [one.partition for one in places], [one.offset for one in places]
