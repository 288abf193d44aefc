"""A live read model: an event that it cannot fold parks its invoice; what is no invoice's fault stops its partition."""

from collections.abc import Collection

from aiokafka import TopicPartition

from projections.engine.fault_isolation import is_away, up_to_stop
from projections.engine.folding import NotAnEvent
from projections.engine.health import Health, Retired, Stop, reason
from projections.engine.projection import Projection
from projections.engine.read_model import Cur
from projections.engine.version_gaps import VersionGap
from transport.batch import Batch, PartitionsStopped
from transport.positions import PositionLost

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
        stops: dict[TopicPartition, Stop] = {}
        for partition in batch.partitions():
            if stop := up_to_stop(self._projection, batch.of([partition])):
                stops[partition] = stop
            else:
                self._health.resumed([partition])
        if stops:
            self._health.stopped(stops)
            raise PartitionsStopped(stops)
