"""The event store: three queries load what a batch needs, one transaction writes all that comes of it.

Built on the recorder of the `eventsourcing` library: its table, its lock, its connections and retries. The library
retries a write on OperationalError; after a lost connection the first try may have committed, and then the positions
are not where the batch starts from: PositionLost, and the batch is dropped, as it should be.
"""

from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, cast
from uuid import UUID

from aiokafka import TopicPartition
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, TupleRow, tuple_row

from events.catalogue import read_event
from events.invoice_events import AnyInvoiceEvent
from service import claims_table, log_tables
from service.claims_table import ClaimLost
from service.invoice.claims import Change, Claim, Holder
from service.log_tables import Entry, EventRow
from transport import positions
from transport.positions import Move

CONSUMER = "redletter.worker"
"""The name under which the worker's positions are kept; also its consumer group."""


LOCK_WITHIN = 5
"""Seconds to wait for the lock of the log; then the batch is tried again."""
_END_OF_PATIENCE: LiteralString = "set local transaction_timeout = '10s'"
"""A worker frozen in its transaction holds the lock that all others wait for; the server takes it away."""


class Conflict(Exception):
    """Somebody else wrote to one of the invoices or claims meanwhile: load and decide again."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The first reply to a command id: its stored name and bytes, and the digest of the body it answered."""

    digest: bytes
    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Write:
    """Everything that one batch leads to. entries are in the order of the log: a command's reply comes last."""

    entries: Sequence[Entry]
    claims: Sequence[Change]
    moves: Sequence[Move]


class InvoiceRecorder(PostgresApplicationRecorder):
    """The library's recorder, whose transaction also takes the rest of a batch."""

    def _insert_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],  # noqa: ARG002 - they are among the entries of the log
        **kwargs: Any,  # noqa: ANN401 - the library's own signature
    ) -> None:
        # The lock comes first, also without events: only so do positions of the log become visible in their order.
        self._lock_table(curs)
        curs.execute(_END_OF_PATIENCE)
        write: Write = kwargs["write"]
        tuples = cast("Cursor[TupleRow]", curs.connection.cursor(row_factory=cast("Any", tuple_row)))
        positions.advance(tuples, CONSUMER, write.moves)
        claims_table.apply(tuples, write.claims)
        log_tables.append(tuples, write.entries)

    def _insert_stored_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],
        **kwargs: Any,  # noqa: ANN401 - the same
    ) -> None:
        """Do nothing: the events went in with the rest of the log."""

    def _fetch_ids_after_insert_events(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the same
        """Return no ids: the log's positions are nobody's business but the relay's."""


class Store:
    """The write side's memory."""

    def __init__(self, database_url: str) -> None:
        target = conninfo_to_dict(database_url)
        self._datastore = PostgresDatastore(
            dbname=str(target["dbname"]),
            host=str(target["host"]),
            port=str(target.get("port", 5432)),
            user=str(target.get("user", "")),
            password=str(target.get("password", "")),
            schema="redletter",
            originator_id_type="text",
            lock_timeout=LOCK_WITHIN,
            pool_size=2,  # one for the batch in hand, one to ask for positions meanwhile
        )
        self._recorder = InvoiceRecorder(self._datastore, events_table_name="invoice_events")

    def close(self) -> None:
        """Close the connections."""
        self._datastore.close()

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the worker stands on each partition."""
        with self._cursor() as cur:
            return positions.stored(cur, CONSUMER, partitions)

    def history(
        self, keys: Sequence[UUID], numbers: Collection[str]
    ) -> tuple[dict[UUID, Earlier], dict[str, list[tuple[str, bytes]]]]:
        """Return the first replies to these ids, and each invoice's events in order, as (stored name, bytes)."""
        with self._datastore.get_connection() as connection, connection.pipeline():
            answered, recorded = _tuples(connection), _tuples(connection)
            answered.execute(_EARLIER, (list(keys),), binary=True)
            recorded.execute(_STREAMS, (sorted(numbers),), binary=True)
            earlier = {key: Earlier(digest, name, value) for key, digest, name, value in answered.fetchall()}
            streams: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
            for number, name, state in recorded.fetchall():
                streams[number].append((name, state))
        return earlier, streams

    def claims(self, claims: Collection[Claim], holds: Collection[tuple[str, str]]) -> dict[Claim, Holder]:
        """Return who holds these claims, and all that is held for these (invoice number, reissue id)."""
        with self._cursor() as cur:
            return claims_table.load(cur, claims, holds)

    def save(self, write: Write) -> None:
        """Write everything of a batch, or nothing.

        Raises: PositionLost when another worker owns a partition, Conflict when an invoice or a claim has changed.
        """
        stored = [entry.stored for entry in write.entries if isinstance(entry, EventRow)]
        try:
            self._recorder.insert_events(stored, write=write)
        except (IntegrityError, ClaimLost) as error:
            raise Conflict(str(error)) from error

    @contextmanager
    def _cursor(self) -> Generator[Cursor[TupleRow]]:
        with self._datastore.get_connection() as connection:
            yield _tuples(connection)


def read_stream(stream: Iterable[tuple[str, bytes]]) -> Iterator[AnyInvoiceEvent]:
    """Read stored events through the catalogue."""
    return (read_event(name, state) for name, state in stream)


def _tuples(connection: Connection[DictRow]) -> Cursor[TupleRow]:
    return connection.cursor(row_factory=tuple_row)


_EARLIER: LiteralString = """
    select command_key, digest, name, value from redletter.replies where command_key = any(%s)
"""
_STREAMS: LiteralString = """
    select originator_id, topic, state from redletter.invoice_events
    where originator_id = any(%s) order by originator_id, originator_version
"""
