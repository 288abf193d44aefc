"""One read model at work: a batch of events becomes rows, in one transaction with the positions."""

from collections.abc import Callable, Collection, Sequence
from threading import Lock
from typing import Generic, Protocol

import psycopg
from aiokafka import TopicPartition
from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from projections.folding import Changed, Fold, Row, fold_batch, numbers
from transport import positions
from transport.consumer import Batch
from transport.positions import PositionLost

SESSION = "-c idle_in_transaction_session_timeout=10s"
"""A frozen projector's transaction would hold its positions locked against the next owner for ever."""
CONNECT_WITHIN = 5
"""Seconds to wait for a connection."""


class Table(Protocol[Row]):
    """Where the rows of a read model are kept. Both calls are one statement, whatever the number of rows."""

    def load(self, cur: Cursor[TupleRow], numbers: Sequence[str]) -> dict[str, Row]:
        """Return the rows of these invoices by number; there is none for an invoice not seen before."""
        ...

    def write(self, cur: Cursor[TupleRow], rows: Sequence[Row]) -> None:
        """Insert or replace the rows. One that is not newer than what is there is left out."""
        ...


Announce = Callable[[Cursor[TupleRow], Sequence[Changed[Row]]], None]
"""Told of the changed rows within the transaction."""


def _silent(_cur: Cursor[TupleRow], _changed: Sequence[Changed[Row]]) -> None:
    """Tell nobody."""


class Projection(Generic[Row]):
    """The work of one consumer group: `transport.consumer.Work` for one read model."""

    def __init__(  # noqa: PLR0913 - a read model's parts, each given once in the projector
        self,
        database: str,
        *,
        consumer: str,
        fold: Fold[Row],
        table: Table[Row],
        announce: Announce[Row] = _silent,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        """``consumer`` names the positions; ``committed`` is called, in the working thread, after each transaction."""
        self._database = database
        self._consumer = consumer
        self._fold = fold
        self._table = table
        self._announce = announce
        self._committed = committed
        self._connection: Connection[TupleRow] | None = None
        self._in_hand = Lock()

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the stored positions; over a connection of its own, since a batch may be in hand."""
        with self._connect() as connection, connection.cursor() as cur:
            return positions.stored(cur, self._consumer, partitions)

    def handle(self, batch: Batch) -> None:
        """Fold the batch and store rows and positions.

        Raises: PositionLost, VersionGap, NotAnEvent, psycopg.Error; nothing is stored then.
        """
        with self._in_hand:
            try:
                self._store(batch)
            except PositionLost:
                raise
            except BaseException:
                self._disconnect()
                raise
        self._committed()

    def close(self) -> None:
        """Let go of the connection once no batch is in hand any more."""
        with self._in_hand:
            self._disconnect()

    def _store(self, batch: Batch) -> None:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.transaction(), self._connection.cursor() as cur:
            self._fold_in(cur, batch)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fold_in(self, cur: Cursor[TupleRow], batch: Batch) -> None:
        """Move the positions first: their locks keep an earlier owner of the partition from touching its rows."""
        positions.advance(cur, self._consumer, batch.moves)
        rows = self._table.load(cur, numbers(batch.records))
        changed = fold_batch(self._fold, rows, batch.records)
        if changed:
            self._table.write(cur, [row for row, _ in changed])
            self._announce(cur, changed)

    def _connect(self) -> Connection[TupleRow]:
        return psycopg.connect(self._database, autocommit=True, connect_timeout=CONNECT_WITHIN, options=SESSION)
