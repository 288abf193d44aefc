"""GET /metrics: the state of the whole system, for Prometheus."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from web.http.parameters import QueryRoute
from web.http.reading import Connection, Reader
from web.operations import metrics, queries, readiness
from web.operations.condition import Condition, condition
from web.operations.lag import Lag
from web.operations.latest_result import LatestResult
from web.operations.queries import Counts
from web.operations.readiness import Watch

_TABLES_SECONDS = 2.5
"""Time limit for a look at the tables."""


class Scraped:
    """What /metrics shows: asked of the servers in the background, so that no scrape waits for them."""

    def __init__(self, reader: Reader, watch: Watch, clock_shift: timedelta, lags: Callable[[], Sequence[Lag]]) -> None:
        """lags: the newest lag of every consumer, empty while it is not known."""
        self._watch = watch
        self._clock_shift = clock_shift
        self._lags = lags
        self._tables = LatestResult("metrics", _TABLES_SECONDS, lambda: reader.read(self._ask_tables))
        self._groups = LatestResult("groups", readiness.KAFKA_WITHIN, lambda: readiness.present_groups(watch.kafka))

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tables.run())
            group.create_task(self._groups.run())

    async def exposition(self) -> bytes:
        """Return all that is known now as Prometheus reads it; what is not known is left out."""
        tables, groups = await asyncio.gather(self._tables.newest(), self._groups.newest())
        found = [metrics.of_servers({"database": tables is not None, "kafka": groups is not None})]
        if tables:
            counts, known = tables
            found += [metrics.of_counts(counts), metrics.of_condition(known)]
            found += [metrics.of_reasons(self._watch.reasons(known, groups or {}, self._now()))]
        return metrics.exposition(*found, metrics.of_lag(self._lags()))

    async def _ask_tables(self, connection: Connection) -> tuple[Counts, Condition]:
        return await queries.counts(connection, self._now()), await condition(connection)

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
