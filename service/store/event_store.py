"""The event store: three queries load what a batch needs, one transaction writes all that comes of it.

After a connection lost at the commit nobody knows whether it happened; the same batch is tried again, and if it had,
the positions are not where the batch starts from: PositionLost, and the batch is dropped, as it should be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from time import monotonic
from uuid import UUID

import psycopg
from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.errors import (
    DeadlockDetected,
    InvalidSqlStatementName,
    OutOfMemory,
    ProgramLimitExceeded,
    UniqueViolation,
)
from psycopg.rows import TupleRow

from events.catalogue import read_event
from events.invoice_events import AnyInvoiceEvent
from events.names import WORKER_GROUP
from rules.key_wrapping import WrappedKey
from service.invoice.claims import Claim, Holder
from service.log.entries import EarlierReply
from service.log.parking import Queue, WaitingCommand
from service.store import claim_rows, key_rows, log_tables, parking_rows, recorder
from service.store.appending import LogMoved
from service.store.claim_rows import ClaimLost
from service.store.key_rows import KeyChanged
from service.store.newer_releases import read_known
from service.store.parking_rows import ParkedInvoice, QueueChanged
from service.store.probe_write import harmless
from service.store.recorder import Datastore, InvoiceRecorder, RehearsalEnded, stored_events
from service.store.write import Conflict, TooMuchToWrite, Write
from transport import positions
from transport.arrays import binary_array
from transport.clients import postgres
from transport.clients.postgres import OnOpened
from transport.positions import Move

Recorded = tuple[dict[str, Queue], dict[UUID, EarlierReply], dict[str, list[tuple[str, bytes]]], dict[str, WrappedKey]]
"""Queues of parked invoices, first replies to commands, events of invoices as (stored name, bytes), and their keys."""


class Store:
    """The write side's memory."""

    def __init__(self, database_url: str, begin: OnOpened | None = None) -> None:
        """``begin`` is called with each session before anything is loaded or written over it."""
        self._url = database_url
        self._datastore = Datastore(database_url, begin)
        self._recorder = InvoiceRecorder(self._datastore, events_table_name="invoice_events")

    def close(self) -> None:
        """Close the connections."""
        self._datastore.close()

    @property
    def session(self) -> int:
        """The number of the session that is open now; where none is, one is opened.

        What was loaded over an earlier one may not be in the database of this one.
        """
        with self._datastore.get_connection():
            return self._datastore.session.opened

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the worker stands on each partition."""
        # Over a session of its own, since a batch may be under way.
        with postgres.connect(self._url, "worker") as connection, connection.cursor() as cur:
            return positions.stored(cur, WORKER_GROUP, partitions)

    def history(self, keys: Sequence[UUID], numbers: Collection[str], unknown: Collection[str]) -> Recorded:
        """Return queues of parked invoices, first replies to these ids, events of unknown invoices, and keys.

        Keys are those of these invoices. So are queues, and those in which a command with one of these ids waits. An
        event is (stored name, bytes). Queues come first: of an invoice that is released meanwhile, either its queue is
        seen, which has changed when the batch is written, or all that the release has led to.
        """
        with self._datastore.get_connection() as connection:
            return read_history(connection, keys, numbers, unknown)

    def keys(self, numbers: Collection[str]) -> dict[str, WrappedKey]:
        """Return the keys of invoices, as they are kept."""
        with self._datastore.get_connection() as connection, connection.cursor(binary=True) as cur:
            return key_rows.load_keys(cur, numbers)

    def claims(self, claims: Collection[Claim], holds: Collection[tuple[str, str]]) -> dict[Claim, Holder]:
        """Return who holds these claims, and all that is held for these (invoice number, reissue id)."""
        with self._datastore.get_connection() as connection, connection.cursor() as cur:
            return claim_rows.load_claims(cur, claims, holds)

    def invoices_of(self, account_id: str) -> list[str]:
        """Return the numbers of an account's invoices."""
        with self._datastore.get_connection() as connection, connection.cursor() as cur:
            return claim_rows.invoices_of(cur, account_id)

    def first_waiting(self, number: str, most: int) -> tuple[UUID | None, Sequence[WaitingCommand]]:
        """Return the version of an invoice's queue, and the first commands in it; None and nothing if not parked."""
        with self._datastore.get_connection() as connection, connection.cursor(binary=True) as cur:
            return parking_rows.read_first(cur, number, most)

    def parked(self) -> list[ParkedInvoice]:
        """Return all parked invoices, those that have waited longest first."""
        with self._datastore.get_connection() as connection:
            return parking_rows.read_parked(connection)

    def save(self, write: Write) -> Mapping[int, int]:
        """Write everything of a batch, or nothing. Return the last place in each partition of the log it wrote to.

        Raises: PositionLost when another worker owns a partition, Conflict when an invoice, a claim or a queue has
        changed or the session is another one, LogStopped, TooMuchToWrite when it was not done in time; psycopg's
        errors.
        """
        return self._write(write)

    def rehearse(self, time: datetime, moves: Sequence[Move]) -> None:
        """Write something harmless and roll it back. Raises: what `save` raises where no record is at fault."""
        with suppress(RehearsalEnded):
            self._write(harmless(time, moves), rehearsed=True)

    def _write(self, write: Write, *, rehearsed: bool = False) -> Mapping[int, int]:
        begun = monotonic()
        try:
            return self._insert(write, rehearsed=rehearsed)
        except (UniqueViolation, ClaimLost, QueueChanged, KeyChanged, LogMoved, DeadlockDetected) as error:
            raise Conflict(str(error)) from error
        except (ProgramLimitExceeded, OutOfMemory) as error:
            raise TooMuchToWrite from error
        except psycopg.OperationalError as error:
            # The server ends the session, and the pipeline reports that it is gone but not why.
            if monotonic() - begun < recorder.TRANSACTION_WITHIN:
                raise
            raise TooMuchToWrite from error

    def _insert(self, write: Write, *, rehearsed: bool) -> Mapping[int, int]:
        stored = stored_events(write.entries)
        last_places: dict[int, int] = {}
        also = {
            "write": write,
            "partitions": self.log_partitions,
            "rehearsed": rehearsed,
            "last_places": last_places,
        }
        try:
            self._recorder.insert_events(stored, **also)
        except InvalidSqlStatementName:
            # A rollback in a pipeline leaves the client with statements that the server has forgotten, and nothing was
            # written. A new session has no such statements: if the error comes again, it has another cause.
            self._recorder.insert_events(stored, **also)
        return last_places

    @cached_property
    def log_partitions(self) -> int:
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


def read_history(
    connection: Connection[TupleRow], keys: Sequence[UUID], numbers: Collection[str], unknown: Collection[str]
) -> Recorded:
    """Return what `Store.history` returns, over a session."""
    with connection.pipeline():
        parked, answered, recorded, kept = (connection.cursor() for _ in range(4))
        ids, invoices = binary_array("uuid", keys), binary_array("text", sorted(numbers))
        parked.execute(parking_rows.QUEUES, (invoices, ids), binary=True)
        answered.execute(log_tables.EARLIER_REPLIES, (ids,), binary=True)
        recorded.execute(log_tables.STREAMS, (binary_array("text", sorted(unknown)),), binary=True)
        kept.execute(key_rows.KEYS, (invoices,), binary=True)
        earlier = {key: EarlierReply(digest, name, value) for key, digest, name, value in answered.fetchall()}
        streams: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        queues = parking_rows.queues_of(parked.fetchall())
        for number, name, state in recorded.fetchall():
            streams[number].append((name, state))
        wrapped = key_rows.keys_of(kept.fetchall())
    return queues, earlier, streams, wrapped
