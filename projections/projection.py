"""One read model at work: a batch of records becomes rows, in one transaction with the positions."""

from collections.abc import Callable, Collection
from threading import Lock

import psycopg
from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.rows import TupleRow

from projections.folding import NotAnEvent
from projections.health import Health
from projections.read_model import ReadModel
from projections.versions import VersionGap
from transport import positions
from transport.consumer import Batch
from transport.positions import PositionLost

SESSION = "-c idle_in_transaction_session_timeout=10s"
"""A frozen projector's transaction would hold its positions locked against the next owner for ever."""
CONNECT_WITHIN = 5
"""Seconds to wait for a connection."""


class Projection:
    """The work of one consumer group: `transport.consumer.Work` for one read model."""

    def __init__(
        self,
        database: str,
        *,
        consumer: str,
        model: ReadModel,
        committed: Callable[[], None] = lambda: None,
        health: Health | None = None,
    ) -> None:
        """``consumer`` names the positions; ``committed`` is called, in the working thread, after each transaction."""
        self._database = database
        self._consumer = consumer
        self._model = model
        self._committed = committed
        self._health = health
        self._connection: Connection[TupleRow] | None = None
        self._in_hand = Lock()

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the stored positions; over a connection of its own, since a batch may be in hand."""
        with self._connect() as connection, connection.cursor() as cur:
            return positions.stored(cur, self._consumer, partitions)

    def handle(self, batch: Batch) -> None:
        """Project the batch and store rows and positions.

        Raises: PositionLost, VersionGap, NotAnEvent, psycopg.Error; nothing is stored then.
        """
        with self._in_hand:
            try:
                self._store(batch)
            except PositionLost:
                raise
            except (VersionGap, NotAnEvent) as reason:
                self._disconnect()
                if self._health:
                    self._health.stopped(reason)
                raise
            except BaseException:
                self._disconnect()
                raise
        if self._health:
            self._health.goes_on()
        self._committed()

    def close(self) -> None:
        """Let go of the connection once no batch is in hand any more."""
        with self._in_hand:
            self._disconnect()

    def _store(self, batch: Batch) -> None:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection.transaction(), self._connection.cursor() as cur:
            # First the positions: their locks keep an earlier owner of the partition from touching its rows.
            positions.advance(cur, self._consumer, batch.moves)
            self._model.project(cur, batch.records)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Connection[TupleRow]:
        return psycopg.connect(self._database, autocommit=True, connect_timeout=CONNECT_WITHIN, options=SESSION)
