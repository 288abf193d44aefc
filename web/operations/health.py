"""Liveness and readiness: whether the process answers, and whether everything that it depends on works."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from projections.engine.health import Stopped
from projections.engine.parking import OutOfDateModel
from web.http.problems import described
from web.http.reading import Reader
from web.operations import readiness
from web.operations.condition import Reason
from web.operations.readiness import Watch, not_ready


class Ready(BaseModel):
    """Whether queries can be answered. reasons: why the system is degraded.

    stopped: the stopped read models. out_of_date: those that have parked invoices.
    """

    status: Literal["ready", "degraded"]
    reasons: list[Reason]
    stopped: list[Stopped]
    out_of_date: list[OutOfDateModel]


def router(reader: Reader, watch: Watch, clock_shift: timedelta) -> APIRouter:
    """Return /livez and /readyz."""
    routes = APIRouter(tags=["health"])

    @routes.get("/livez", responses={200: {"content": {"application/json": {"example": {"status": "live"}}}}})
    async def livez() -> dict[str, str]:
        """Show that the process answers."""
        return {"status": "live"}

    @routes.get("/readyz", responses=described(not_ready(["kafka"]), ", and what is down"))
    async def readyz() -> Ready:
        """Show whether the read tables and Kafka are reachable, and whether everything else works.

        While they are, queries are answered: the status is 200, and the body says what is degraded and why.
        """
        known, groups = await readiness.check_servers(reader, watch.kafka)
        found = watch.reasons(known, groups, datetime.now(UTC) + clock_shift)
        return Ready(
            status="degraded" if found else "ready",
            reasons=found,
            stopped=list(known.stopped),
            out_of_date=list(known.out_of_date),
        )

    return routes
