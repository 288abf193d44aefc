"""Whether the api can do its work now. Every check has a time limit, also while a server is down or frozen."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus

import structlog

from rules.calendar import MainlandChina
from transport import groups
from transport.clients.kafka import bare_client
from transport.groups import Group
from web.http.problems import Problem
from web.http.reading import Readers
from web.http.time_limits import attempt, within
from web.operations import condition
from web.operations.condition import GROUPS_OF_ROLES, Condition, Listening, Reason, deaf, missing, reasons

log = structlog.get_logger(__name__)

CHECK_WITHIN = 2.0
"""Seconds within which each server must have answered."""
GROUPS_WITHIN = 1.0
"""Seconds more for the consumer groups."""
KAFKA_WITHIN = CHECK_WITHIN + GROUPS_WITHIN
_TABLES = "select exists (select from projections.status), exists (select from projections.details)"


@dataclass(frozen=True, slots=True)
class Watch:
    """Finds the reasons to call the system degraded, alike for readiness, the board and its page.

    kafka: bootstrap servers.
    """

    kafka: str
    calendar: MainlandChina
    listening: Listening

    def reasons(self, known: Condition, present: Mapping[str, Group], now: datetime) -> list[Reason]:
        """Return every reason to call the system degraded."""
        return [*reasons(known, now, self.calendar), *missing(present), *deaf(self.listening)]

    async def look(self, known: Condition, now: datetime) -> list[Reason]:
        """Ask Kafka which roles run, and return every reason, without those of Kafka if it does not answer in time."""
        present = await attempt("kafka", KAFKA_WITHIN, present_groups(self.kafka))
        return self.reasons(known, present or {}, now)


Checked = tuple[Condition, Mapping[str, Group]]


class SharedCheck:
    """Checks the servers once for all who ask at the same time: however many do, it takes one connection to each."""

    def __init__(self, check: Callable[[], Coroutine[None, None, Checked]]) -> None:
        self._check = check
        self._checking: asyncio.Task[Checked] | None = None

    async def look(self) -> Checked:
        """Return the condition and the consumer groups. Raises: what the check raises."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check())
        return await asyncio.shield(self._checking)


async def condition_of(readers: Readers) -> Condition:
    """Return the state of the system in PostgreSQL. Raises: as `Reader.read` of the read models."""
    log_side = await readers.log_if_there(condition.log_condition)
    return await readers.read_models.read(partial(condition.condition, log=log_side))


async def check_servers(readers: Readers, kafka: str) -> Checked:
    """Return the condition and the consumer groups.

    Raises: Problem NOT_READY that names the servers that are down.
    """
    known, present = await asyncio.gather(
        attempt("database", CHECK_WITHIN, _database(readers)),
        attempt("kafka", KAFKA_WITHIN, present_groups(kafka)),
    )
    if known is None or present is None:
        raise not_ready([name for name, found in (("database", known), ("kafka", present)) if found is None])
    return known, present


def not_ready(down: Sequence[str]) -> Problem:
    """Return the answer while servers are down. down: their names."""
    detail = f"Not reachable or not ready: {', '.join(down)}."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "NOT_READY", detail, down=list(down))


async def _database(readers: Readers) -> Condition:
    await readers.read_models.read(lambda connection: connection.execute(_TABLES))
    return await condition_of(readers)


async def present_groups(bootstrap: str) -> Mapping[str, Group]:
    """Ask for the consumer groups over a new connection; an old one would only show that Kafka was there once.

    Empty where Kafka answers and its groups do not come in time. Raises: KafkaError, TimeoutError.
    """
    async with bare_client(bootstrap, "api", request_timeout_ms=int(CHECK_WITHIN * 1000)) as client:
        await within(CHECK_WITHIN, client.bootstrap())
        names = [name for names in GROUPS_OF_ROLES.values() for name in names]
        try:
            return await within(GROUPS_WITHIN, groups.describe(client, names))
        except TimeoutError:
            return {}
