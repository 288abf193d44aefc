"""The events of each invoice, kept as they came. Nothing is folded: an event is its own row."""

from collections.abc import Sequence
from dataclasses import dataclass

from events.published import Published
from projections.engine.folding import EventsByInvoice
from projections.engine.read_model import Cur, WriteRows, about, project
from projections.engine.version_gaps import is_next
from transport.records import KafkaRecord

_CREATE = """
    create table {table} (
        invoice_number text collate "C" not null,
        version integer not null,
        account_id text not null,
        event_id text not null,
        type text not null,
        occurred_at timestamptz not null,
        causation_id text not null,
        correlation_id text not null,
        data json not null, -- the event's body, byte for byte
        primary key (invoice_number, version)
    )
"""
_REACHED = """
    select invoice_number, max(version) from {table} where invoice_number = any(%b) group by invoice_number
"""
_WRITE = """
    insert into {table} (invoice_number, version, account_id, event_id, type, occurred_at, causation_id,
        correlation_id, data)
    select n, v, a, e, t, o, c, r, d::json
    from unnest(%b::text[], %b::int[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::text[], %b::text[],
        %b::text[]) as written (n, v, a, e, t, o, c, r, d)
"""

_BYTES_OF_VERSION = 100


@dataclass(frozen=True, slots=True)
class History:
    """The read model: one table, one row per event."""

    name: str = "history"

    def names(self) -> Sequence[str]:
        """Return the name of its table."""
        return (self.name,)

    def create(self, cur: Cur) -> None:
        """Create the table."""
        cur.execute(about(self.name, _CREATE))

    def index(self, cur: Cur) -> None:
        """Create nothing: its queries use the primary key."""

    def project(self, cur: Cur, records: Sequence[KafkaRecord]) -> None:
        """Append the events that are new. Raises: NotAnEvent, VersionGap."""
        project(self, cur, records)

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for the versions that these invoices have reached."""
        cur.execute(about(self.name, _REACHED), (numbers,))

    def rows(self, answer: Cur) -> dict[str, int]:
        """Return the versions that were asked for, by number."""
        return dict(answer.fetchall())

    def size_of(self, row: int) -> int:  # noqa: ARG002 - all take as much
        """Return about how many bytes of memory a version takes with its number."""
        return _BYTES_OF_VERSION

    def fold(self, rows: dict[str, int], events: EventsByInvoice) -> WriteRows:
        """Pick the events that are new; rows: the versions reached. Raises: VersionGap."""
        new = [row for of_one in events.values() for published in of_one if (row := _row(published, rows))]

        def write(cur: Cur) -> None:
            if new:
                cur.execute(about(self.name, _WRITE), [list(column) for column in zip(*new, strict=True)])

        return write


def _row(published: Published, reached: dict[str, int]) -> tuple[object, ...] | None:
    event = published.event
    number = event.invoice_number
    if not is_next(number, reached.get(number, 0), published.version):
        return None
    reached[number] = published.version
    return (
        number,
        published.version,
        event.account_id,
        published.id,
        published.type,
        event.occurred_at,
        published.causation,
        published.correlation,
        published.body.decode(),
    )
