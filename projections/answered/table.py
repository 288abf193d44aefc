"""Replies counted, exactly once: the counts change in the transaction that moves the positions."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from projections.read_model import Cur, about
from transport.stepping import Record, Undecodable

ACCEPTED = "ACCEPTED"
_CREATE = """
    create table {table} (
        command_type text not null,
        answer text not null, -- a refusal's code, or ACCEPTED
        times bigint not null,
        last_at timestamptz not null,
        primary key (command_type, answer)
    )
"""
_COUNT = """
    insert into {table} as t (command_type, answer, times, last_at)
    select c, a, n, to_timestamp(l / 1000.0) from unnest(%b::text[], %b::text[], %b::bigint[], %b::bigint[])
        as counted (c, a, n, l)
    on conflict (command_type, answer) do update
        set times = t.times + excluded.times, last_at = greatest(t.last_at, excluded.last_at)
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """The read model: one table, one row for each command and answer. Replays of an earlier reply do not count."""

    name: str = "answered"

    def names(self) -> Sequence[str]:
        """Return the name of its table."""
        return (self.name,)

    def create(self, cur: Cur) -> None:
        """Create the table."""
        cur.execute(about(self.name, _CREATE))

    def index(self, cur: Cur) -> None:
        """Create nothing: it has few rows."""

    def project(self, cur: Cur, records: Sequence[Record]) -> None:
        """Count the replies."""
        counts: Counter[tuple[str, str]] = Counter()
        last: dict[tuple[str, str], int] = {}
        for record in records:
            if isinstance(record, Undecodable) or record.value is None:
                continue
            reply = json.loads(record.value)
            if not reply["replayed"]:
                answer = reply["command_type"], reply.get("code", ACCEPTED)
                counts[answer] += 1
                last[answer] = max(last.get(answer, 0), record.timestamp)
        if counts:
            rows = [(*answer, times, last[answer]) for answer, times in sorted(counts.items())]
            cur.execute(about(self.name, _COUNT), [list(column) for column in zip(*rows, strict=True)])
