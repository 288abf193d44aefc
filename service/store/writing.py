"""The event store: three queries load what a batch needs, one transaction writes all that comes of it.

Built on the recorder of the `eventsourcing` library: its table, over the project's own session. After a connection lost
at the commit nobody knows whether it happened; the same batch is tried again, and if it had, the positions are not
where the batch starts from: PositionLost, and the batch is dropped, as it should be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from time import monotonic
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg
from aiokafka import TopicPartition
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.errors import (
    DeadlockDetected,
    InvalidSqlStatementName,
    OutOfMemory,
    ProgramLimitExceeded,
    UniqueViolation,
)
from psycopg.rows import DictRow, TupleRow

from events.catalogue import read_event
from events.invoice_events import AnyInvoiceEvent
from events.names import WORKER_GROUP
from service.invoice.claims import Claim, ClaimChange, Holder
from service.log.entries import EarlierReply, LogEntry
from service.store import claim_rows, rows
from service.store.claim_rows import ClaimLost
from service.store.newer import read_known
from transport import positions
from transport.clients import postgres
from transport.clients.postgres import KeptSession
from transport.positions import Move

LOCK_WITHIN = 5
"""Seconds to wait for a lock; then the batch is tried again."""
TRANSACTION_WITHIN = 10
"""Seconds; a worker frozen in its transaction holds locks that others wait for, and the server takes them away."""


class TooMuchToWrite(Exception):
    """A batch could not be written in its time, or its room; a part of it may be."""


class Conflict(Exception):
    """Another worker wrote to one of the invoices or claims: load and decide again."""


@dataclass(frozen=True, slots=True)
class Write:
    """Everything that one batch leads to. entries are in the order of the log: a command's reply comes last.

    rehearsed: it is only looked whether all of it would be taken.
    """

    entries: Sequence[LogEntry]
    claims: Sequence[ClaimChange]
    moves: Sequence[Move]
    rehearsed: bool = False


class _RehearsalEnded(Exception):
    """Everything was taken, and is rolled back."""


class InvoiceRecorder(PostgresApplicationRecorder):
    """The library's recorder, whose transaction also takes the rest of a batch."""

    def _insert_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],  # noqa: ARG002 - they are among the entries of the log
        **kwargs: Any,  # noqa: ANN401 - the library's own signature
    ) -> None:
        write: Write = kwargs["write"]
        tuples = cast("Cursor[TupleRow]", curs)
        positions.advance(tuples, WORKER_GROUP, write.moves)
        claim_rows.apply(tuples, write.claims)
        rows.append(tuples, write.entries, kwargs["partitions"])
        if write.rehearsed:
            tuples.execute("select 1").fetchone()  # in a pipeline, what was refused before is told only with an answer
            raise _RehearsalEnded

    def _insert_stored_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],
        **kwargs: Any,  # noqa: ANN401 - the same
    ) -> None:
        """Do nothing: the events went in with the rest of the log."""

    def _fetch_ids_after_insert_events(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the same
        """Return no ids: only relays read the places in the log."""


class _Datastore(PostgresDatastore):
    """The library's access to the database, over a session with the whole URL: the library keeps five parts of it."""

    def __init__(self, database_url: str) -> None:
        super().__init__("", "", "", "", "", schema="redletter", originator_id_type="text")
        # Known to the server before any lock is asked for.
        self.session = KeptSession(
            database_url,
            "worker",
            lock_timeout=f"{LOCK_WITHIN}s",
            transaction_timeout=f"{TRANSACTION_WITHIN}s",
        )

    def get_connection(self) -> AbstractContextManager[Connection[Any]]:  # pyright: ignore[reportIncompatibleMethodOverride] - the library names a generator
        """Give the one session. Raises: psycopg's errors, not the library's."""
        return self.session.use()

    def register_type_adapters(self) -> None:
        """Ask the database nothing: it need not be there yet, and has none of the library's types."""

    def close(self) -> None:
        """Close the session."""
        self.session.close()


class Store:
    """The write side's memory."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._datastore = _Datastore(database_url)
        self._recorder = InvoiceRecorder(self._datastore, events_table_name="invoice_events")

    def close(self) -> None:
        """Close the connections."""
        self._datastore.close()

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the worker stands on each partition."""
        # Over a session of its own, since a batch may be under way.
        with postgres.connect(self._url, "worker") as connection, connection.cursor() as cur:
            return positions.stored(cur, WORKER_GROUP, partitions)

    def history(
        self, keys: Sequence[UUID], numbers: Collection[str]
    ) -> tuple[dict[UUID, EarlierReply], dict[str, list[tuple[str, bytes]]]]:
        """Return the first replies to these ids, and each invoice's events in order, as (stored name, bytes)."""
        with self._datastore.get_connection() as connection, connection.pipeline():
            answered, recorded = connection.cursor(), connection.cursor()
            answered.execute(_EARLIER, (list(keys),), binary=True)
            recorded.execute(_STREAMS, (sorted(numbers),), binary=True)
            earlier = {key: EarlierReply(digest, name, value) for key, digest, name, value in answered.fetchall()}
            streams: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
            for number, name, state in recorded.fetchall():
                streams[number].append((name, state))
        return earlier, streams

    def claims(self, claims: Collection[Claim], holds: Collection[tuple[str, str]]) -> dict[Claim, Holder]:
        """Return who holds these claims, and all that is held for these (invoice number, reissue id)."""
        with self._datastore.get_connection() as connection, connection.cursor() as cur:
            return claim_rows.load_claims(cur, claims, holds)

    def save(self, write: Write) -> None:
        """Write everything of a batch, or nothing.

        Raises: PositionLost when another worker owns a partition, Conflict when an invoice or a claim has changed,
        TooMuchToWrite when it was not done in time; psycopg's errors.
        """
        with suppress(_RehearsalEnded):
            self._write(write)

    def rehearse(self, write: Write) -> None:
        """Write all of it and roll it back. Raises: what `save` would raise."""
        self.save(replace(write, rehearsed=True))

    def _write(self, write: Write) -> None:
        stored = rows.stored_events(write.entries)
        begun = monotonic()
        try:
            self._insert(stored, write)
        except (UniqueViolation, ClaimLost, DeadlockDetected) as error:
            raise Conflict(str(error)) from error
        except (ProgramLimitExceeded, OutOfMemory) as error:
            raise TooMuchToWrite from error
        except psycopg.OperationalError as error:
            # The server ends the session, and the pipeline tells that it is gone but not why.
            if monotonic() - begun < TRANSACTION_WITHIN:
                raise
            raise TooMuchToWrite from error

    def _insert(self, stored: Sequence[StoredEvent], write: Write) -> None:
        partitions = self._log_partitions
        try:
            self._recorder.insert_events(stored, write=write, partitions=partitions)
        except InvalidSqlStatementName:
            # A rollback in a pipeline leaves the client with statements that the server has forgotten, and nothing was
            # written. A new session has no such statements: if the error comes again, it has another cause.
            self._recorder.insert_events(stored, write=write, partitions=partitions)

    @cached_property
    def _log_partitions(self) -> int:
        """How many partitions the log has."""
        with self._datastore.get_connection() as connection:
            (count,) = connection.execute("select count(*) from redletter.log_partitions").fetchone() or (0,)
        if not count:
            msg = "the log has no partitions; run redletter migrate"
            raise LookupError(msg)
        return count


def read_stream(stream: Iterable[tuple[str, bytes]]) -> Iterator[AnyInvoiceEvent]:
    """Read stored events through the catalogue. Raises: ProgramTooOld."""
    return (read_known(read_event, name, state) for name, state in stream)


_EARLIER: LiteralString = """
    select command_key, digest, name, value from redletter.replies where command_key = any(%s)
"""
_STREAMS: LiteralString = """
    select originator_id, topic, state from redletter.invoice_events
    where originator_id = any(%s) order by originator_id, originator_version
"""
