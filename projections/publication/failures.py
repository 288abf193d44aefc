"""Failures of the status publication: partitions whose documents wait are shown beside the stopped read models."""

import time
from collections.abc import Collection

from aiokafka import TopicPartition

from events.topics import STATUS_TOPIC
from projections.engine.health import Health, Stop, reason
from transport.threads import OwnThread

PUBLICATION = "status publication"
"""The name beside those of the read models."""
STOPPED_AFTER_SECONDS = 10.0
"""Seconds without a success after which a partition is shown as stopped."""
_REPEAT_SECONDS = 5.0
"""Seconds between two reports of the same failure."""


class PublicationFailures:
    """Stores which partitions of one publisher have stopped."""

    def __init__(self, database: str) -> None:
        self._health = Health(database, PUBLICATION)
        self._thread = OwnThread(PUBLICATION)
        self._since: dict[int, float] = {}
        self._unproven: frozenset[int] = frozenset()
        self._reported_at = float("-inf")

    def owned(self, partitions: frozenset[int]) -> None:
        """Begin with newly assigned partitions; a stop that an earlier owner stored holds until one publishes again."""
        self._unproven, self._since = partitions, {}

    async def failed(self, partitions: Collection[int], error: Exception) -> None:
        """Note that documents of these partitions could not be published; store it once that has lasted."""
        now = time.monotonic()
        late = [one for one in partitions if now - self._since.setdefault(one, now) >= STOPPED_AFTER_SECONDS]
        if late and now - self._reported_at >= _REPEAT_SECONDS:
            self._reported_at = now
            why = reason(error)
            stops = {TopicPartition(STATUS_TOPIC, one): Stop(0, None, why) for one in late}
            await self._thread.run(self._health.stopped, stops)

    async def succeeded(self, partitions: Collection[int]) -> None:
        """Delete the stops of these partitions, whose documents are published or are none. Raises: psycopg.Error."""
        recovered = (self._since.keys() | self._unproven).intersection(partitions)
        if recovered:
            await self._thread.run(self._health.clear, [TopicPartition(STATUS_TOPIC, one) for one in recovered])
            self._unproven -= recovered
            for one in recovered:
                self._since.pop(one, None)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.close()
