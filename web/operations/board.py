"""The operations board as JSON: what needs attention, and how far consumers are behind."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from events.values import Message, Time
from projections.dead_letters.queries import DeadLetter
from projections.engine.parking import OutOfDateModel
from web.http.parameters import QueryRoute
from web.http.problems import QUERY_PROBLEMS
from web.http.reading import Readers, written
from web.operations import lag, queries
from web.operations.condition import Condition, Reason, WaitingInvoice
from web.operations.lag import Lag
from web.operations.queries import Board, OpenReturn
from web.operations.readiness import Watch, condition_of


class ConsumerLag(Message):
    """The lag of a consumer: messages, and the age of the oldest of them in seconds."""

    consumer: str
    messages: int
    seconds: float


class Returns(Message):
    """Open returns in a phase, and how many of them are overdue."""

    phase: str
    returns: int
    overdue: int


class Alarm(Message):
    """Refusals that need attention."""

    command_type: str
    code: str
    times: int
    last_at: Time


class Unpublished(Message):
    """Entries of the log that are not published yet, and the age of the oldest of them in seconds."""

    entries: int
    seconds: float


class OperationsBoard(Message):
    """What needs attention. reasons: why the system is degraded. lag is absent while Kafka is not reachable.

    unpublished and parked are absent while the database of the log is away (LOG_AWAY).
    parked: the first 100 invoices with a command that could not be decided. out_of_date: read models with invoices that
    they cannot fold. dead_letters: the newest. dead_letters_waiting: those neither replayed nor discarded, by reason.
    """

    at: Time
    reasons: list[Reason]
    unpublished: Unpublished | None
    lag: list[ConsumerLag] | None
    returns: list[Returns]
    overdue: list[OpenReturn]
    near_due: list[OpenReturn]
    failing: list[OpenReturn]
    alarms: list[Alarm]
    parked: list[WaitingInvoice] | None
    out_of_date: list[OutOfDateModel]
    dead_letters: list[DeadLetter]
    dead_letters_by_reason: dict[str, int]
    dead_letters_waiting: dict[str, int]


class NoParameters(BaseModel):
    """No query parameters are accepted."""

    model_config = ConfigDict(extra="forbid")


def router(readers: Readers, watch: Watch, clock_shift: timedelta) -> APIRouter:
    """Return the board."""
    routes = APIRouter(tags=["operations"], route_class=QueryRoute)

    @routes.get(
        "/operations",
        responses={
            200: {"model": OperationsBoard},
            **QUERY_PROBLEMS,
        },
        response_class=Response,
    )
    async def operations(_: Annotated[NoParameters, Query()]) -> Response:
        """Show what is overdue, near due, failing, unreadable or behind."""
        now = datetime.now(UTC) + clock_shift
        board = await readers.read_models.read(lambda connection: queries.board(connection, now))
        known = await condition_of(readers)
        wrong, lags = await asyncio.gather(watch.look(known, now), lag.lags_if_known(readers, watch.kafka))
        return Response(written(_as_served(board, known, wrong, lags, now)), media_type="application/json")

    return routes


def _as_served(
    board: Board, known: Condition, wrong: list[Reason], behind: Sequence[Lag] | None, now: datetime
) -> OperationsBoard:
    alarms = [one for one in board.answers if one.alarming]
    return OperationsBoard(
        at=now,
        reasons=wrong,
        unpublished=Unpublished(entries=known.log.unpublished, seconds=known.log.seconds) if known.log else None,
        lag=None
        if behind is None
        else [ConsumerLag(consumer=b.consumer, messages=b.messages, seconds=b.seconds) for b in behind],
        returns=[Returns(phase=p.phase, returns=p.returns, overdue=p.overdue) for p in board.phases],
        overdue=board.overdue,
        near_due=board.near_due,
        failing=board.failing,
        alarms=[Alarm(command_type=a.command_type, code=a.answer, times=a.times, last_at=a.last_at) for a in alarms],
        parked=list(known.log.parked.first) if known.log else None,
        out_of_date=list(known.out_of_date),
        dead_letters=board.dead_letters,
        dead_letters_by_reason={one.reason: one.letters for one in board.letter_counts},
        dead_letters_waiting={one.reason: one.waiting for one in board.letter_counts},
    )
