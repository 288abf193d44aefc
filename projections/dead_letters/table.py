"""A row for each dead letter: where it lies and its reason, and nothing of what it says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from events.topics import DEAD_LETTERS_KEPT, TOPICS
from events.values import is_invoice_number
from projections.engine.foreign_records import MAX_TIMESTAMP_MS, UNKNOWN, report_foreign
from projections.engine.read_model import Cur, about
from transport.records import ConsumerRecord, KafkaRecord, Undecodable

_CREATE = """
    create table {table} (
        topic text not null,
        partition integer not null,
        record_offset bigint not null, -- of the record that could not be read
        letter_partition integer not null,
        letter_offset bigint not null, -- of the dead letter, on its own topic
        published_at timestamptz not null, -- as the topic says, which keeps it from then on
        invoice_number text collate "C", -- where the key is one
        reason text not null,
        error text not null,
        buried_at timestamptz not null,
        primary key (topic, partition, record_offset)
    )
"""
_WRITE = """
    insert into {table} (topic, partition, record_offset, letter_partition, letter_offset, published_at, invoice_number,
        reason, error, buried_at)
    select * from unnest(%b::text[], %b::int[], %b::bigint[], %b::int[], %b::bigint[], %b::timestamptz[], %b::text[],
        %b::text[], %b::text[], %b::timestamptz[])
    on conflict do nothing
"""
_IS_OUTDATED = """
    select 1 from information_schema.tables where table_schema = 'projections' and table_name = 'dead_letters'
        and not exists (
            select from information_schema.columns
            where table_schema = 'projections' and table_name = 'dead_letters' and column_name = 'letter_offset'
        )
"""
_DELETE_OLD = "delete from {table} where published_at < now() - %s"
_MAX_ERROR_BYTES = 4096
_TOPICS = frozenset(topic.name for topic in TOPICS)
_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
_MAX_PARTITION, _MAX_OFFSET = 2**31 - 1, 2**63 - 1


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The read model: one table, keyed by the place on the topic that the record came from."""

    name: str = "dead_letters"

    def names(self) -> Sequence[str]:
        """Return the name of its table."""
        return (self.name,)

    def create(self, cur: Cur) -> None:
        """Create the table."""
        cur.execute(about(self.name, _CREATE))

    def index(self, cur: Cur) -> None:
        """Create the index by time."""
        cur.execute(about(self.name, "create index on {table} (buried_at desc)"))

    def project(self, cur: Cur, records: Sequence[KafkaRecord]) -> None:
        """Write the dead letters. Records that are not any are left out: a foreign writer must not stop the list."""
        rows = [(record, _row(record)) for record in records]
        report_foreign([record for record, row in rows if row is None])
        found = [row for _, row in rows if row]
        if found:
            cur.execute(about(self.name, _WRITE), [list(column) for column in zip(*found, strict=True)])

    def drop_outdated(self, cur: Cur) -> bool:
        """Drop a table of an earlier release, which did not keep where dead letters lie; return whether it was one."""
        outdated = cur.execute(_IS_OUTDATED).fetchone() is not None
        if outdated:
            cur.execute(about(self.name, "drop table {table}"))
        return outdated

    def delete_old(self, cur: Cur) -> int:
        """Delete the rows of dead letters that the topic no longer keeps; return how many."""
        return cur.execute(about(self.name, _DELETE_OLD), (DEAD_LETTERS_KEPT,)).rowcount


class _Row(NamedTuple):
    topic: str
    partition: int
    offset: int
    letter_partition: int
    letter_offset: int
    published_at: datetime
    invoice_number: str | None
    reason: str
    error: str
    buried_at: datetime


def _row(record: KafkaRecord) -> _Row | None:
    """Return the row. A record may bring headers of the same names: the relay's own come last."""
    if isinstance(record, Undecodable):
        return None
    headers = {name: value or b"" for name, value in record.headers}
    try:
        row = _read(headers, record)
    except (KeyError, ValueError):
        return None
    fits = row.topic in _TOPICS and 0 <= row.partition <= _MAX_PARTITION and 0 <= row.offset <= _MAX_OFFSET
    return row if fits and row.buried_at.tzinfo else None


def _read(headers: Mapping[str, bytes], record: ConsumerRecord) -> _Row:
    reason, error = headers["dl_reason"].decode(), headers.get("dl_error", b"")
    return _Row(
        headers["dl_topic"].decode(),
        int(headers["dl_partition"]),
        int(headers["dl_offset"]),
        record.partition,
        record.offset,
        datetime.fromtimestamp(min(record.timestamp, MAX_TIMESTAMP_MS) / 1000, UTC),
        _invoice_number(record.key),
        reason if _REASON.fullmatch(reason) else UNKNOWN,
        # PostgreSQL keeps no U+0000.
        error[:_MAX_ERROR_BYTES].decode(errors="ignore").replace("\0", "\N{REPLACEMENT CHARACTER}"),
        datetime.fromisoformat(headers["dl_time"].decode()),
    )


def _invoice_number(key: bytes | None) -> str | None:
    text = (key or b"").decode(errors="replace")
    return text if is_invoice_number(text) else None
