"""The recorder of the `eventsourcing` library, which writes a whole batch over the project's own session."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.rows import DictRow, TupleRow

from events.names import WORKER_GROUP
from service.log.entries import EventEntry, LogEntry
from service.store import appending, claim_rows, key_rows, parking_rows
from service.store.appending import LogMoved
from service.store.write import Write
from transport import positions
from transport.clients.postgres import BY_KEY, KeptSession, OnOpened

LOCK_WITHIN = 5
"""Seconds to wait for a lock; then the batch is tried again."""
TRANSACTION_WITHIN = 10
"""Seconds; a worker frozen in its transaction holds locks that others wait for, and the server takes them away."""


class RehearsalEnded(Exception):
    """Everything was taken, and is rolled back."""


class InvoiceRecorder(PostgresApplicationRecorder):
    """The library's recorder, whose transaction also takes the rest of a batch."""

    datastore: "Datastore"

    def _insert_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],  # noqa: ARG002 - they are among the entries of the log
        **kwargs: Any,  # noqa: ANN401 - the library's own signature
    ) -> None:
        write: Write = kwargs["write"]
        if write.session not in {None, self.datastore.session.opened}:
            msg = "the session that this was decided over has ended"
            raise LogMoved(msg)
        tuples = cast("Cursor[TupleRow]", curs)
        positions.advance(tuples, WORKER_GROUP, write.moves)
        claim_rows.apply(tuples, write.claims)
        parking_rows.apply_queues(tuples, write.queues)
        key_rows.apply_keys(tuples, write.keys_made, write.keys_destroyed)
        last_places = appending.append(tuples, write.entries, kwargs["partitions"], write.last_places)
        kwargs["last_places"].update(last_places)
        if kwargs["rehearsed"]:
            tuples.execute("select 1").fetchone()  # in a pipeline a refusal arrives only with the next answer
            raise RehearsalEnded

    def _insert_stored_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],
        **kwargs: Any,  # noqa: ANN401 - the same
    ) -> None:
        """Do nothing: the events went in with the rest of the log."""

    def _fetch_ids_after_insert_events(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the same
        """Return no ids: only relays read the places in the log."""


class Datastore(PostgresDatastore):
    """The library's access to the database, over a session with the whole URL: the library keeps five parts of it."""

    def __init__(self, database_url: str, begin: OnOpened | None = None) -> None:
        super().__init__("", "", "", "", "", schema="redletter", originator_id_type="text")
        # Known to the server before any lock is asked for.
        self.session = KeptSession(
            database_url,
            "worker",
            begin,
            lock_timeout=f"{LOCK_WITHIN}s",
            transaction_timeout=f"{TRANSACTION_WITHIN}s",
            **BY_KEY,
        )

    def get_connection(self) -> AbstractContextManager[Connection[Any]]:  # pyright: ignore[reportIncompatibleMethodOverride] - the library names a generator
        """Give the one session. Raises: psycopg's errors, not the library's."""
        return self.session.use()

    def register_type_adapters(self) -> None:
        """Ask the database nothing: it need not be there yet, and has none of the library's types."""

    def close(self) -> None:
        """Close the session."""
        self.session.close()


def stored_events(entries: Iterable[LogEntry]) -> list[StoredEvent]:
    """Return the events among the entries as the event store library knows them."""
    return [
        StoredEvent(entry.invoice_number, entry.version, entry.name, entry.body)
        for entry in entries
        if isinstance(entry, EventEntry)
    ]
