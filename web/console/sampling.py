"""How the system has been doing lately: looked at every few seconds, kept for a quarter of an hour."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import structlog
from aiokafka.errors import KafkaError
from psycopg import Error

from events.names import PROJECTOR_GROUPS
from web.http.reading import Connection, Readers
from web.http.time_limits import attempt, within
from web.operations import lag
from web.operations.lag import Lag
from web.operations.parts import Part, PartState, ServerLook, parts
from web.operations.readiness import KAFKA_WITHIN, Watch, condition_of, present_groups

log = structlog.get_logger(__name__)

_SAMPLE_SECONDS = 5.0
"""Seconds between two looks."""
_MAX_SAMPLES = 180
"""Looks kept: a quarter of an hour."""
_INSERTED = """
    select relid, relname, n_tup_ins from pg_stat_user_tables
    where schemaname = 'projections' and relname in ('replies', 'history') and not pg_is_in_recovery()
    order by relname
"""
"""A standby counts no inserts, so that there are no rates where the api reads one."""
_KAFKA_SECONDS = 4.0
"""Seconds for a look at Kafka."""
_MAX_LAG_SECONDS = 60.0
"""Seconds of lag from which the page says that it is behind."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. trouble: keys of `labels.SERVERS`. lags: empty where Kafka could not be asked.

    done: how many replies and events have been projected. tables: the ids of the tables whose rows were counted.
    """

    at: datetime
    trouble: Sequence[str] = ()
    lags: Sequence[Lag] = ()
    done: Mapping[str, int] = field(default_factory=dict[str, int])
    tables: Sequence[int] = ()
    parts: Sequence[Part] = ()


class _Counted(NamedTuple):
    done: Mapping[str, int]
    tables: Sequence[int]


class Sampler:
    """Looks, and keeps what it saw."""

    def __init__(self, readers: Readers, watch: Watch) -> None:
        self._readers = readers
        self._watch = watch
        self._states: dict[str, tuple[PartState, datetime]] = {}
        self.samples: deque[Sample] = deque(maxlen=_MAX_SAMPLES)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            sample = await self._look()
            if sample.trouble != self.trouble:
                log.warning("system_state_changed", trouble=sample.trouble)
            self.note(sample)
            await asyncio.sleep(_SAMPLE_SECONDS)

    def note(self, sample: Sample) -> None:
        """Keep what was seen, and since when each part has been in its state."""
        self.samples.append(sample)
        for part in sample.parts:
            state, _ = self._states.get(part.name, (None, sample.at))
            if state != part.state:
                self._states[part.name] = part.state, sample.at

    @property
    def since(self) -> Mapping[str, datetime]:
        """By the name of a part: when it was first seen in the state that it is in."""
        return {name: at for name, (_, at) in self._states.items()}

    @property
    def parts(self) -> Sequence[Part]:
        """How each part was at the newest look."""
        return self.samples[-1].parts if self.samples else ()

    @property
    def trouble(self) -> Sequence[str]:
        """What readers should know of now."""
        return self.samples[-1].trouble if self.samples else ()

    def lags(self) -> Sequence[Lag]:
        """Return the newest lag of every consumer, nothing while it is not known."""
        return self.samples[-1].lags if self.samples else ()

    def throughput(self) -> Iterator[tuple[datetime, float, float]]:
        """Yield times with commands answered and events projected a second, between each look and the one before.

        There is no rate where a rebuilt table, which has counts of its own, took the place of another.
        """
        done = [sample for sample in self.samples if sample.done]
        for before, now in pairwise(done):
            if now.tables != before.tables:
                continue
            seconds = (now.at - before.at) / timedelta(seconds=1)
            rates = [max(0, now.done.get(one, 0) - before.done.get(one, 0)) / seconds for one in ("commands", "events")]
            yield now.at, rates[0], rates[1]

    async def _look(self) -> Sample:
        now = datetime.now(UTC)
        look, counted = ServerLook(None, None, None, self._readers.apart), _Counted({}, ())
        try:
            known, counted = await condition_of(self._readers), await self._readers.read_models.read(_count)
            look = look._replace(known=known)
            lags = await within(_KAFKA_SECONDS, lag.lags(self._watch.kafka, lambda: lag.known_positions(self._readers)))
            groups = await attempt("kafka", KAFKA_WITHIN, present_groups(self._watch.kafka))
            look = look._replace(lags=lags, groups=groups)
        except Error:
            look = look._replace(known=None)
        except (TimeoutError, OSError, KafkaError):
            pass
        found = list(parts(look, self._watch.listening))
        return Sample(now, tuple(_trouble(look)), look.lags or (), counted.done, counted.tables, found)


def _trouble(look: ServerLook) -> Iterator[str]:
    if look.known is None:
        yield "database"
        return
    if look.known.log is None:
        yield "log"
    if look.lags is None:
        yield "kafka"
    late = [one for one in look.lags or () if one.seconds > _MAX_LAG_SECONDS]
    if any(one.consumer.startswith(PROJECTOR_GROUPS) for one in late):
        yield "behind"
    if look.known.stopped:
        yield "stopped"


async def _count(connection: Connection) -> _Counted:
    """Count the replies and events that have been projected: rows, of tables that have one for each."""
    rows = await (await connection.execute(_INSERTED)).fetchall()
    names = {"replies": "commands", "history": "events"}
    return _Counted({names[name]: count for _, name, count in rows}, tuple(table for table, *_ in rows))
