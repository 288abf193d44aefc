"""GET /metrics: the state of the whole system, for Prometheus."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from web.http.parameters import QueryRoute
from web.http.reading import Readers
from web.operations import metrics, queries, readiness
from web.operations.condition import Condition
from web.operations.lag import Lag
from web.operations.latest_result import LatestResult
from web.operations.queries import Counts, Requests
from web.operations.readiness import Watch

_TABLES_SECONDS = 2.5
"""Time limit for a look at the tables."""


class _Tables(NamedTuple):
    counts: Counts
    known: Condition
    requests: Sequence[Requests]


class Scraped:
    """What /metrics shows: asked of the servers in the background, so that no scrape waits for them."""

    def __init__(
        self, readers: Readers, watch: Watch, clock_shift: timedelta, lags: Callable[[], Sequence[Lag]]
    ) -> None:
        """lags: the newest lag of every consumer, empty while it is not known."""
        self._readers = readers
        self._watch = watch
        self._clock_shift = clock_shift
        self._lags = lags
        self._tables = LatestResult("metrics", _TABLES_SECONDS, self._ask_tables)
        self._groups = LatestResult("groups", readiness.KAFKA_WITHIN, lambda: readiness.present_groups(watch.kafka))

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tables.run())
            group.create_task(self._groups.run())

    async def exposition(self) -> bytes:
        """Return all that is known now as Prometheus reads it; what is not known is left out."""
        tables, groups = await asyncio.gather(self._tables.newest(), self._groups.newest())
        found = [metrics.of_servers({**self._databases(tables), "kafka": groups is not None})]
        if tables:
            found += [metrics.of_counts(tables.counts), metrics.of_condition(tables.known)]
            found += [metrics.of_requests(tables.requests)]
            found += [metrics.of_reasons(self._watch.reasons(tables.known, groups or {}, self._now()))]
        return metrics.exposition(*found, metrics.of_lag(self._lags()))

    def _databases(self, tables: _Tables | None) -> Mapping[str, bool]:
        if not self._readers.apart:
            return {"database": tables is not None}
        if tables is None:
            return {"read_database": False}
        return {"read_database": True, "database": tables.known.log is not None}

    async def _ask_tables(self) -> _Tables:
        known = await readiness.condition_of(self._readers)
        counts = await self._readers.read_models.read(lambda connection: queries.counts(connection, self._now()))
        return _Tables(counts, known, await self._readers.log_if_there(queries.requests) or [])

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._clock_shift


def router(scraped: Scraped) -> APIRouter:
    """Return the metrics."""
    routes = APIRouter(tags=["operations"], route_class=QueryRoute)

    @routes.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {}}}},
        response_class=Response,
    )
    async def prometheus() -> Response:
        """Return the metrics for Prometheus, at once. What is unknown while a server is down is left out."""
        return Response(await scraped.exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes
