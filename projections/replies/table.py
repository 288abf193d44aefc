"""Replies counted, exactly once: the counts change in the transaction that moves the positions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from events.catalogue import COMMAND_TYPES, type_of
from projections.engine.foreign import MAX_TIMESTAMP_MS, UNKNOWN, report_foreign
from projections.engine.read_model import Cur, about
from transport.records import KafkaRecord, Undecodable

ACCEPTED = "ACCEPTED"
_COMMAND_TYPES = frozenset(map(type_of, COMMAND_TYPES))
_CREATE = """
    create table {table} (
        command_type text not null, -- of a command, else 'unknown': publishers can invent any number of names
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
class ReplyCounts:
    """The read model: one table, one row for each command and outcome. Replays of an earlier reply do not count."""

    name: str = "answered"

    def names(self) -> Sequence[str]:
        """Return the name of its table."""
        return (self.name,)

    def create(self, cur: Cur) -> None:
        """Create the table."""
        cur.execute(about(self.name, _CREATE))

    def index(self, cur: Cur) -> None:
        """Create nothing: it has few rows."""

    def project(self, cur: Cur, records: Sequence[KafkaRecord]) -> None:
        """Count the replies. Records that are not replies are left out: a foreign writer must not stop the count."""
        counts: Counter[tuple[str, str]] = Counter()
        last: dict[tuple[str, str], int] = {}
        foreign: list[KafkaRecord] = []
        for record in records:
            if isinstance(record, Undecodable) or (reply := _read(record.value)) is None:
                foreign.append(record)
            elif not reply.replayed:
                outcome = reply.outcome()
                counts[outcome] += 1
                last[outcome] = max(last.get(outcome, 0), min(record.timestamp, MAX_TIMESTAMP_MS))
        report_foreign(foreign)
        if counts:
            rows = [(*outcome, times, last[outcome]) for outcome, times in sorted(counts.items())]
            cur.execute(about(self.name, _COUNT), [list(column) for column in zip(*rows, strict=True)])


class _Reply(BaseModel):
    """What is counted of a reply; only the relay should write there, but that is not relied on."""

    model_config = ConfigDict(strict=True)

    command_type: str
    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = ACCEPTED
    replayed: bool

    def outcome(self) -> tuple[str, str]:
        return self.command_type if self.command_type in _COMMAND_TYPES else UNKNOWN, self.code


def _read(value: bytes | None) -> _Reply | None:
    try:
        return _Reply.model_validate_json(value or b"")
    except ValidationError:
        return None
