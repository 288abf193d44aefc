"""How the system has been doing lately: looked at every few seconds, kept for a quarter of an hour."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import structlog
from aiokafka.errors import KafkaError
from psycopg import Error

from events.names import PROJECTOR_GROUPS, WORKER_GROUP, projector_group
from projections.engine import health
from web.http.reading import Connection, Readers
from web.http.time_limits import within
from web.operations import lag
from web.operations.lag import Lag, Position

log = structlog.get_logger(__name__)

_SAMPLE_SECONDS = 5.0
"""Seconds between two looks."""
_MAX_SAMPLES = 180
"""Looks kept: a quarter of an hour."""
_KAFKA_SECONDS = 4.0
"""Seconds for a look at Kafka."""
_MAX_LAG_SECONDS = 60.0
"""Seconds of lag from which the page says that it is behind."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. trouble: keys of `words.SERVERS`. lags: empty where Kafka could not be asked. done: records passed."""

    at: datetime
    trouble: Sequence[str] = ()
    lags: Sequence[Lag] = ()
    done: Mapping[str, int] = field(default_factory=dict[str, int])


class Sampler:
    """Looks, and keeps what it saw."""

    def __init__(self, readers: Readers, kafka: str) -> None:
        self._readers = readers
        self._kafka = kafka
        self.samples: deque[Sample] = deque(maxlen=_MAX_SAMPLES)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            sample = await self._look()
            if sample.trouble != self.trouble:
                log.warning("system_state_changed", trouble=sample.trouble)
            self.samples.append(sample)
            await asyncio.sleep(_SAMPLE_SECONDS)

    @property
    def trouble(self) -> Sequence[str]:
        """What readers should know of now."""
        return self.samples[-1].trouble if self.samples else ()

    def lags(self) -> Sequence[Lag]:
        """Return the newest lag of every consumer, nothing while it is not known."""
        return self.samples[-1].lags if self.samples else ()

    def throughput(self) -> Iterator[tuple[datetime, float, float]]:
        """Yield times with commands decided and events projected a second, between each look and the one before."""
        done = [sample for sample in self.samples if sample.done]
        for before, now in pairwise(done):
            seconds = (now.at - before.at) / timedelta(seconds=1)
            rates = [max(0, now.done.get(one, 0) - before.done.get(one, 0)) / seconds for one in ("commands", "events")]
            yield now.at, rates[0], rates[1]

    async def _look(self) -> Sample:
        now = datetime.now(UTC)
        try:
            at = await lag.known_positions(self._readers)
            stopped = ("stopped",) if await self._readers.read_models.read(_stopped) else ()
        except (TimeoutError, OSError, Error):
            return Sample(now, ("database",))
        try:
            lags = await within(_KAFKA_SECONDS, lag.lags(self._kafka, lambda: lag.known_positions(self._readers)))
        except Error:
            return Sample(now, ("database",))
        except (TimeoutError, OSError, KafkaError):
            return Sample(now, ("kafka", *stopped), done=_done(at))
        late = any(one.seconds > _MAX_LAG_SECONDS for one in lags if one.consumer.startswith(PROJECTOR_GROUPS))
        return Sample(now, (*(("behind",) if late else ()), *stopped), lags, _done(at))


async def _stopped(connection: Connection) -> bool:
    return bool(await health.stopped(connection))


def _done(at: Sequence[Position]) -> Mapping[str, int]:
    """Return how many records the worker and the history read model have passed."""
    passed: dict[str, int] = defaultdict(int)
    for position in at:
        passed[position.consumer] += position.next
    return {"commands": passed[WORKER_GROUP], "events": passed[projector_group("history")]}
