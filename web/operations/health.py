"""Health that means something: whether the process answers, and whether all goes on that it stands on."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from projections.engine.health import Stopped
from web.http.problems import ProblemDocument
from web.http.reading import Reader
from web.operations import readiness
from web.operations.condition import Reason
from web.operations.readiness import Watch


class Ready(BaseModel):
    """Whether questions can be answered. reasons: what does not go on. stopped: the read models among that."""

    status: Literal["ready", "degraded"]
    reasons: list[Reason]
    stopped: list[Stopped]


def router(reader: Reader, watch: Watch, clock_shift: timedelta) -> APIRouter:
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
        known, groups = await readiness.check_servers(reader, watch.kafka)
        found = watch.reasons(known, groups, datetime.now(UTC) + clock_shift)
        return Ready(status="degraded" if found else "ready", reasons=found, stopped=list(known.stopped))

    return routes
