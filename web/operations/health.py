"""Health that means something: whether the process answers, and whether all goes on that it stands on."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from projections.engine.health import Stopped
from rules.calendar import MainlandChina
from web.http.problems import ProblemDocument
from web.http.reading import Reader
from web.operations import readiness
from web.operations.condition import Reason, missing, reasons

Listening = Mapping[str, Callable[[], bool]]
"""What this process listens to, for people, and whether it does now."""


class Ready(BaseModel):
    """Whether questions can be answered. reasons: what does not go on. stopped: the read models among that."""

    status: Literal["ready", "degraded"]
    reasons: list[Reason]
    stopped: list[Stopped]


def router(
    reader: Reader, kafka: str, clock_shift: timedelta, calendar: MainlandChina, listening: Listening
) -> APIRouter:
    """Return /livez and /readyz."""
    routes = APIRouter(tags=["health"])

    @routes.get("/livez")
    async def livez() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "live"}

    @routes.get("/readyz", responses={503: {"model": ProblemDocument, "description": "NOT_READY, and what is down"}})
    async def readyz() -> Ready:
        """Say whether the read tables and Kafka can be reached, and whether everything else goes on.

        While they can, queries are answered: then the answer is 200, and says what does not go on and why.
        """
        known, groups = await readiness.check(reader, kafka)
        now = datetime.now(UTC) + clock_shift
        found = [*reasons(known, now, calendar), *missing(groups), *_deaf(listening)]
        return Ready(status="degraded" if found else "ready", reasons=found, stopped=list(known.stopped))

    return routes


def _deaf(listening: Listening) -> Iterator[Reason]:
    for what, listens in listening.items():
        if not listens():
            yield Reason(code="NOT_LISTENING", detail=f"This api does not hear {what} now.")
