"""The operations board, and the same for machines: Prometheus metrics."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import structlog
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict

from events.values import Record, Time
from projections.api.bounded import within
from projections.api.parameters import QueryRoute
from projections.api.problems import ProblemDocument
from projections.api.reading import Reader, written
from projections.operations import lag, queries
from projections.operations.lag import Lag
from projections.operations.queries import Board, DeadLetter, OpenReturn

log = structlog.get_logger(__name__)

LAG_WITHIN = 4.0
"""Seconds to look at Kafka; the board tells the rest when that takes longer."""


class ConsumerLag(Record):
    """How far a consumer is behind: messages, and the age of the oldest of them in seconds."""

    consumer: str
    messages: int
    seconds: float


class Returns(Record):
    """Open returns in a phase, and how many of them are overdue."""

    phase: str
    returns: int
    overdue: int


class Alarm(Record):
    """Refusals that somebody must look at."""

    command_type: str
    code: str
    times: int
    last_at: Time


class OperationsBoard(Record):
    """What somebody should look at. lag is absent while Kafka cannot be asked."""

    at: Time
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


def router(reader: Reader, kafka: str, clock_shift: timedelta) -> APIRouter:
    """Return the board and the metrics."""
    routes = APIRouter(tags=["operations"], route_class=QueryRoute)

    async def look() -> tuple[Board, list[Lag] | None, datetime]:
        now = datetime.now(UTC) + clock_shift
        board = await reader.read(lambda connection: queries.board(connection, now))
        try:
            return board, await within(LAG_WITHIN, lag.lags(kafka, lambda: reader.read(lag.positions))), now
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("the lag cannot be told now", error=repr(error))
            return board, None, now

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
        board, behind, now = await look()
        return Response(written(_told(board, behind, now)), media_type="application/json")

    @routes.get(
        "/metrics",
        responses={
            200: {"content": {"text/plain": {}}},
            503: {"model": ProblemDocument, "description": "READ_MODEL_UNAVAILABLE"},
        },
        response_class=Response,
    )
    async def metrics() -> Response:
        """Tell the same to Prometheus."""
        board, behind, _ = await look()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Metrics(_metrics(board, behind)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes


def _told(board: Board, behind: Sequence[Lag] | None, now: datetime) -> OperationsBoard:
    alarms = [one for one in board.answers if one.alarming]
    return OperationsBoard(
        at=now,
        lag=None if behind is None else [ConsumerLag(**one._asdict()) for one in behind],
        returns=[Returns(**one._asdict()) for one in board.phases],
        overdue=board.overdue,
        near_due=board.near_due,
        failing=board.failing,
        alarms=[Alarm(command_type=a.command_type, code=a.answer, times=a.times, last_at=a.last_at) for a in alarms],
        dead_letters=board.dead_letters,
        dead_letters_by_reason=board.dead_letters_by_reason,
    )


class _Metrics(Collector):
    """Metrics that were collected already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        return self._metrics


def _metrics(board: Board, behind: Sequence[Lag] | None) -> list[Metric]:
    answers = CounterMetricFamily(
        "redletter_answers", "Commands answered, by type and answer (ACCEPTED or a code)", labels=["command", "answer"]
    )
    alarms = CounterMetricFamily(
        "redletter_alarms", "Refusals that somebody must look at", labels=["command", "answer"]
    )
    for one in board.answers:
        answers.add_metric([one.command_type, one.answer], one.times)
        if one.alarming:
            alarms.add_metric([one.command_type, one.answer], one.times)
    returns = GaugeMetricFamily("redletter_open_returns", "Open returns by phase", labels=["phase"])
    overdue = GaugeMetricFamily(
        "redletter_overdue_returns", "Open returns that are overdue, by phase", labels=["phase"]
    )
    for phase in board.phases:
        returns.add_metric([phase.phase], phase.returns)
        overdue.add_metric([phase.phase], phase.overdue)
    letters = GaugeMetricFamily("redletter_dead_letters", "Unreadable records by reason", labels=["reason"])
    for reason, count in board.dead_letters_by_reason.items():
        letters.add_metric([reason], count)
    return [answers, alarms, returns, overdue, letters, *_lag_metrics(behind or ())]


def _lag_metrics(behind: Sequence[Lag]) -> list[Metric]:
    messages = GaugeMetricFamily("redletter_lag_messages", "Messages not done yet, by consumer", labels=["consumer"])
    seconds = GaugeMetricFamily(
        "redletter_lag_seconds", "Age of the oldest message not done yet, by consumer", labels=["consumer"]
    )
    for one in behind:
        messages.add_metric([one.consumer], one.messages)
        seconds.add_metric([one.consumer], one.seconds)
    return [messages, seconds]
