"""Status documents that wait for a failure to end are told with the read models that have stopped."""

import time
from collections.abc import Collection

from aiokafka import TopicPartition

from events.topics import STATUS_TOPIC
from projections.engine.health import Health, Stop, reason
from transport.threads import OwnThread

PUBLICATION = "status publication"
"""The name beside those of the read models."""
TOLD_AFTER = 10.0
"""Seconds without a success after which a partition is told as stopped."""
_REPEAT_SECONDS = 5.0
"""Seconds between two reports of the same."""


class Failing:
    """Tells of the partitions of one publisher whose documents wait."""

    def __init__(self, database: str) -> None:
        self._health = Health(database, PUBLICATION)
        self._thread = OwnThread(PUBLICATION)
        self._since: dict[int, float] = {}
        self._unproven: frozenset[int] = frozenset()
        self._told_at = float("-inf")

    def owned(self, partitions: frozenset[int]) -> None:
        """Learn whose partitions are ours now; what an earlier owner told of them holds until one goes on."""
        self._unproven, self._since = partitions, {}

    async def failed(self, partitions: Collection[int], error: Exception) -> None:
        """Learn that documents of these partitions could not be published."""
        now = time.monotonic()
        late = [one for one in partitions if now - self._since.setdefault(one, now) >= TOLD_AFTER]
        if late and now - self._told_at >= _REPEAT_SECONDS:
            self._told_at = now
            why = reason(error)
            stops = {TopicPartition(STATUS_TOPIC, one): Stop(0, None, why) for one in late}
            await self._thread.run(self._health.stopped, stops)

    async def went_on(self, partitions: Collection[int]) -> None:
        """Learn that nothing of these partitions waits for a failure any more. Raises: psycopg.Error."""
        cured = (self._since.keys() | self._unproven).intersection(partitions)
        if cured:
            await self._thread.run(self._health.clear, [TopicPartition(STATUS_TOPIC, one) for one in cured])
            self._unproven -= cured
            for one in cured:
                self._since.pop(one, None)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.close()
