"""GET /metrics: the board and the lag for Prometheus."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from web.http.bounded import attempt
from web.http.parameters import QueryRoute
from web.http.reading import Reader
from web.operations import lag, metrics, queries
from web.operations.condition import Condition, condition
from web.operations.lag import Lag

_TABLES_SECONDS = 2.5
"""Time limit for the read tables; metrics that take longer are left out."""


def router(reader: Reader, kafka: str, clock_shift: timedelta) -> APIRouter:
    """Return the metrics. kafka: bootstrap servers."""
    routes = APIRouter(tags=["operations"], route_class=QueryRoute)

    @routes.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {}}}},
        response_class=Response,
    )
    async def prometheus() -> Response:
        """Return the metrics for Prometheus, within 5 s. What is unknown while a server is down is left out."""
        now = datetime.now(UTC) + clock_shift
        board, known, lags = await asyncio.gather(
            attempt("board", _TABLES_SECONDS, reader.read(lambda connection: queries.board(connection, now))),
            attempt("condition", _TABLES_SECONDS, reader.read(condition)),
            lag.lags_if_known(reader, kafka),
        )
        found = [metrics.of_reach(_reached(known, lags))]
        found += [metrics.of_board(board)] if board else []
        found += [metrics.of_condition(known)] if known else []
        found += [metrics.of_lag(lags)] if lags is not None else []
        return Response(metrics.exposition(*found), media_type=CONTENT_TYPE_LATEST)

    return routes


def _reached(known: Condition | None, lags: Sequence[Lag] | None) -> Mapping[str, bool]:
    """Return which servers answered. Kafka is only asked for the lag of positions, which are in the database."""
    if known is None:
        return {"database": False}
    return {"database": True, "kafka": lags is not None}
