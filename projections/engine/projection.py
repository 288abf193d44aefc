"""One read model at work: a batch of records becomes rows, in one transaction with the positions."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from aiokafka import TopicPartition

from projections.engine import parking
from projections.engine.folding import read
from projections.engine.read_model import Cur, ReadModel
from transport import positions
from transport.batch import Batch
from transport.clients.postgres import BY_KEY, connect
from transport.records import KafkaRecord
from transport.work import TransactionalWork

ROLE = "projector"
FROZEN_AFTER = "10s"
"""A frozen projector's transaction would hold its positions locked against the next owner for ever."""


class Guard(Protocol):
    """What a projection calls within each of its transactions."""

    def before_write(self, cur: Cur, partitions: Collection[TopicPartition]) -> None:
        """Check that rows of these partitions may be written. What it raises rolls the transaction back."""
        ...


class Projection:
    """Turns batches into rows and positions, each in one transaction, or raises and stores nothing."""

    def __init__(  # noqa: PLR0913 - what a projection is made of
        self,
        database: str,
        *,
        consumer: str,
        model: ReadModel,
        committed: Callable[[], None] = lambda: None,
        guard: Guard | None = None,
        parks: str | None = None,
    ) -> None:
        """``consumer`` names the positions; ``committed`` is called, in the working thread, after each transaction.

        parks: the name under which invoices are parked, of a read model of events.
        """
        self.parks = parks
        self._database = database
        self._consumer = consumer
        self._model = model
        self._guard = guard
        self._work = TransactionalWork(
            database,
            consumer=consumer,
            role=ROLE,
            apply=self._apply,
            committed=committed,
            idle_in_transaction_session_timeout=FROZEN_AFTER,
            **BY_KEY,
        )

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the stored positions, over a connection of its own: the other one may be handling a batch."""
        with connect(self._database, ROLE) as connection, connection.transaction(), connection.cursor() as cur:
            return positions.stored(cur, self._consumer, partitions)

    def handle(self, batch: Batch) -> None:
        """Project the batch and store rows and positions.

        Raises: PositionLost, VersionGap, NotAnEvent, psycopg.Error, and what the guard raises; nothing is stored then.
        """
        self._work.handle(batch)

    def park(self, batch: Batch, why: str) -> None:
        """Park the invoice of the one event of a batch, and store the position behind it.

        Raises: as `handle`, and TooManyParked.
        """
        (record,) = batch.records
        published = read(record)

        def apply(cur: Cur, batch: Batch) -> None:
            self._before_write(cur, batch)
            parking.park(cur, self.parks or "", record, published, why)

        self._work.handle_by(apply, batch)

    def _apply(self, cur: Cur, batch: Batch) -> None:
        self._before_write(cur, batch)
        self._model.project(cur, self._unparked(cur, batch))

    def _before_write(self, cur: Cur, batch: Batch) -> None:
        # With the positions locked no rebuild can switch the tables.
        if self._guard:
            self._guard.before_write(cur, batch.partitions())

    def _unparked(self, cur: Cur, batch: Batch) -> Sequence[KafkaRecord]:
        if not self.parks:
            return batch.records
        parking.ask_parked(cur, [self.parks], batch.partitions())
        return parking.without_parked(batch.records, parking.stored_parked(cur))

    def close(self) -> None:
        """Close the connection, after the batch that is being handled."""
        self._work.close()
