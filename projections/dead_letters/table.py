"""A row for each dead letter: its place and its reason, and nothing of what it says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from events.topics import TOPICS
from projections.engine.foreign import UNKNOWN, report_foreign
from projections.engine.read_model import Cur, about
from transport.records import KafkaRecord, Undecodable

_CREATE = """
    create table {table} (
        topic text not null,
        partition integer not null,
        record_offset bigint not null,
        reason text not null,
        error text not null,
        buried_at timestamptz not null,
        primary key (topic, partition, record_offset)
    )
"""
_WRITE = """
    insert into {table} (topic, partition, record_offset, reason, error, buried_at)
    select * from unnest(%b::text[], %b::int[], %b::bigint[], %b::text[], %b::text[], %b::timestamptz[])
    on conflict do nothing
"""
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


class _Row(NamedTuple):
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    buried_at: datetime


def _row(record: KafkaRecord) -> _Row | None:
    """Return the row. A record may bring headers of the same names: the relay's own come last."""
    if isinstance(record, Undecodable):
        return None
    headers = {name: value or b"" for name, value in record.headers}
    try:
        row = _read(headers)
    except (KeyError, ValueError):
        return None
    fits = row.topic in _TOPICS and 0 <= row.partition <= _MAX_PARTITION and 0 <= row.offset <= _MAX_OFFSET
    return row if fits and row.buried_at.tzinfo else None


def _read(headers: Mapping[str, bytes]) -> _Row:
    reason = headers["dl_reason"].decode()
    return _Row(
        headers["dl_topic"].decode(),
        int(headers["dl_partition"]),
        int(headers["dl_offset"]),
        reason if _REASON.fullmatch(reason) else UNKNOWN,
        # PostgreSQL keeps no U+0000.
        headers["dl_error"][:_MAX_ERROR_BYTES].decode(errors="ignore").replace("\0", "\N{REPLACEMENT CHARACTER}"),
        datetime.fromisoformat(headers["dl_time"].decode()),
    )
