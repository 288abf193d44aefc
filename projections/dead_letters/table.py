"""A row for each dead letter: its place and its reason, and nothing of what it says."""

from collections.abc import Sequence
from dataclasses import dataclass

from projections.read_model import Cur, about
from transport.stepping import Record, Undecodable

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
_HEADERS = ("dl_topic", "dl_partition", "dl_offset", "dl_reason", "dl_error", "dl_time")


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

    def project(self, cur: Cur, records: Sequence[Record]) -> None:
        """Note the dead letters. A record may bring headers of the same names: the relay's own stand last."""
        rows = [_row(record) for record in records]
        cur.execute(about(self.name, _WRITE), [list(column) for column in zip(*rows, strict=True)])


def _row(record: Record) -> tuple[object, ...]:
    headers: dict[str, bytes | None] = {} if isinstance(record, Undecodable) else dict(record.headers)
    topic, partition, offset, reason, error, at = ((headers.get(name) or b"").decode() for name in _HEADERS)
    return topic, int(partition), int(offset), reason, error, at
