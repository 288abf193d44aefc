"""A live read model: a record that it cannot fold stops its partition, and nothing else."""

from collections.abc import Collection

import psycopg
from aiokafka import TopicPartition

from projections.engine.folding import NotAnEvent
from projections.engine.health import Health, Retired, Stop, reason
from projections.engine.projection import Projection
from projections.engine.read_model import Cur
from projections.engine.versions import VersionGap
from transport.batch import Batch, PartitionsStopped
from transport.positions import PositionLost
from transport.records import next_offset

MAX_TRIES = 3
"""Times that the same batch may fail before the read model is said to have stopped."""
_CERTAIN = (NotAnEvent, VersionGap, Retired)
"""Errors that another try cannot repair."""


class LiveProjection:
    """`transport.batch.Work` for one read model; a partition that stops does not hold up the others."""

    def __init__(self, projection: Projection, health: Health) -> None:
        self._projection = projection
        self._health = health
        self._tries = 0

    def found(self, cur: Cur, partitions: Collection[TopicPartition]) -> None:
        """Load what is stored about partitions that are about to be read."""
        self._health.found(cur, partitions)

    def handle(self, batch: Batch) -> None:
        """Project the batch.

        Raises: PositionLost; PartitionsStopped, with the partitions whose next record cannot be folded; any other error
        when the batch is worth another try.
        """
        try:
            self._project(batch)
        except PositionLost:
            raise
        except Exception as error:
            self._tries += 1
            if isinstance(error, _CERTAIN) or (self._tries >= MAX_TRIES and not is_away(error)):
                self._tries = 0
                self._partition_by_partition(batch)
                return
            if self._tries >= MAX_TRIES:
                why = reason(error)
                self._health.stopped({one: Stop(batch.starts[one], None, why) for one in batch.partitions()})
            raise
        self._tries = 0

    def close(self) -> None:
        """Close the connection, after the batch that is being handled."""
        self._projection.close()

    def _project(self, batch: Batch) -> None:
        self._projection.handle(batch)
        self._health.resumed(batch.partitions())

    def _partition_by_partition(self, batch: Batch) -> None:
        stops = {one: stop for one in batch.partitions() if (stop := self._up_to_fault(batch.of([one])))}
        if stops:
            self._health.stopped(stops)
            raise PartitionsStopped(stops)

    def _up_to_fault(self, batch: Batch) -> Stop | None:
        """Project the records of one partition up to the first that cannot be folded; return where and why, or None."""
        try:
            self._project(batch)
        except PositionLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported and tried again
            if len(batch.records) > 1 and not isinstance(error, Retired):
                first, second = batch.halves()
                return self._up_to_fault(first) or self._up_to_fault(second)
            return _stop(batch, error)
        return None


def _stop(batch: Batch, error: Exception) -> Stop:
    (start,), record = (batch.starts[one] for one in batch.partitions()), batch.records[0]
    if isinstance(error, Retired):
        return Stop(start, None, str(error))
    last = next_offset(record) - 1
    place = f"{record.topic}[{record.partition}] offset {record.offset}"
    if isinstance(error, NotAnEvent):
        return Stop(start, last, str(error))
    said = str(error) if isinstance(error, VersionGap) else reason(error)
    return Stop(start, last, f"{place}: {said}")


def is_away(error: Exception) -> bool:
    """Return whether the database is the cause and not a record. A value too large for an index (class 54) is one."""
    lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return lost and not (error.sqlstate or "").startswith("54")
