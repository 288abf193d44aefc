"""The operations board, and the same for machines: Prometheus metrics."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import structlog
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST
from psycopg import Error
from pydantic import BaseModel, ConfigDict

from events.values import Message, Time
from web.http.bounded import within
from web.http.parameters import QueryRoute
from web.http.problems import ProblemDocument
from web.http.reading import Reader, written
from web.operations import lag, metrics, queries
from web.operations.condition import Condition, Reason, condition
from web.operations.lag import Lag
from web.operations.queries import Board, DeadLetter, OpenReturn
from web.operations.readiness import Watch

log = structlog.get_logger(__name__)

LAG_WITHIN = 4.0
"""Seconds to look at Kafka; the board tells the rest when that takes longer."""
TABLES_WITHIN = 2.5
"""Seconds to look at the tables for the metrics, which leave out what takes longer."""
_Result = TypeVar("_Result")


class ConsumerLag(Message):
    """How far a consumer is behind: messages, and the age of the oldest of them in seconds."""

    consumer: str
    messages: int
    seconds: float


class Returns(Message):
    """Open returns in a phase, and how many of them are overdue."""

    phase: str
    returns: int
    overdue: int


class Alarm(Message):
    """Refusals that somebody must look at."""

    command_type: str
    code: str
    times: int
    last_at: Time


class Unpublished(Message):
    """Entries of the log that are not published yet, and the age of the oldest of them in seconds."""

    entries: int
    seconds: float


class OperationsBoard(Message):
    """What somebody should look at. reasons: what does not go on. lag is absent while Kafka cannot be asked."""

    at: Time
    reasons: list[Reason]
    unpublished: Unpublished
    lag: list[ConsumerLag] | None
    returns: list[Returns]
    overdue: list[OpenReturn]
    near_due: list[OpenReturn]
    failing: list[OpenReturn]
    alarms: list[Alarm]
    dead_letters: list[DeadLetter]
    dead_letters_by_reason: dict[str, int]


class NoParameters(BaseModel):
    """Nothing may be asked for in particular."""

    model_config = ConfigDict(extra="forbid")


def router(reader: Reader, watch: Watch, clock_shift: timedelta) -> APIRouter:
    """Return the board and the metrics."""
    routes = APIRouter(tags=["operations"], route_class=QueryRoute)

    async def board() -> Board:
        return await reader.read(lambda connection: queries.board(connection, datetime.now(UTC) + clock_shift))

    async def known() -> Condition:
        return await reader.read(condition)

    async def behind() -> list[Lag] | None:
        lags = lag.lags(watch.kafka, lambda: reader.read(lag.positions))
        return await _if_it_can_be_told("lag", LAG_WITHIN, lags)

    @routes.get(
        "/operations",
        responses={
            200: {"model": OperationsBoard},
            422: {"model": ProblemDocument, "description": "MALFORMED_QUERY"},
            503: {"model": ProblemDocument, "description": "READ_MODEL_UNAVAILABLE"},
        },
        response_class=Response,
    )
    async def operations(_: Annotated[NoParameters, Query()]) -> Response:
        """Show what is overdue, near due, failing, unreadable or behind."""
        now, seen, state = datetime.now(UTC) + clock_shift, await board(), await known()
        wrong, lags = await asyncio.gather(watch.look(state, now), behind())
        told = _told(seen, state, wrong, lags, now)
        return Response(written(told), media_type="application/json")

    @routes.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {}}}},
        response_class=Response,
    )
    async def prometheus() -> Response:
        """Tell the same to Prometheus, within 5 s. What cannot be known while a server is down is left out."""
        seen, state, lags = await asyncio.gather(
            _if_it_can_be_told("board", TABLES_WITHIN, board()),
            _if_it_can_be_told("condition", TABLES_WITHIN, known()),
            behind(),
        )
        told = [metrics.of_reach(_reached(state, lags))]
        told += [metrics.of_board(seen)] if seen else []
        told += [metrics.of_condition(state)] if state else []
        told += [metrics.of_lag(lags)] if lags is not None else []
        return Response(metrics.exposition(*told), media_type=CONTENT_TYPE_LATEST)

    return routes


async def _if_it_can_be_told(what: str, seconds: float, work: Coroutine[None, None, _Result]) -> _Result | None:
    try:
        return await within(seconds, work)
    except (KafkaError, OSError, TimeoutError, Error) as error:
        log.warning("this cannot be told now", what=what, error=repr(error))
        return None


def _reached(known: Condition | None, lags: Sequence[Lag] | None) -> Mapping[str, bool]:
    """Return which servers answered. Kafka is only asked for the lag of positions, which the database has."""
    if known is None:
        return {"database": False}
    return {"database": True, "kafka": lags is not None}


def _told(
    board: Board, known: Condition, wrong: list[Reason], behind: Sequence[Lag] | None, now: datetime
) -> OperationsBoard:
    alarms = [one for one in board.answers if one.alarming]
    return OperationsBoard(
        at=now,
        reasons=wrong,
        unpublished=Unpublished(entries=known.unpublished, seconds=known.seconds),
        lag=None if behind is None else [ConsumerLag(**one._asdict()) for one in behind],
        returns=[Returns(**one._asdict()) for one in board.phases],
        overdue=board.overdue,
        near_due=board.near_due,
        failing=board.failing,
        alarms=[Alarm(command_type=a.command_type, code=a.answer, times=a.times, last_at=a.last_at) for a in alarms],
        dead_letters=board.dead_letters,
        dead_letters_by_reason=board.dead_letters_by_reason,
    )
