"""Liveness and readiness: whether the process answers, and whether everything that it depends on works."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from projections.engine.health import Stopped
from projections.engine.parking import OutOfDateModel
from web.http.identity import AsCaller
from web.http.problems import described
from web.http.reading import Readers
from web.operations.condition import Reason
from web.operations.readiness import SharedCheck, Watch, check_servers, not_ready

_FOR_OPERATORS = "What is behind this is told to operators."


class Ready(BaseModel):
    """Whether queries can be answered. reasons: why the system is degraded.

    stopped: the stopped read models. out_of_date: those that have parked invoices. Operators alone are told these two,
    and what is behind a reason.
    """

    status: Literal["ready", "degraded"]
    reasons: list[Reason]
    stopped: list[Stopped] | None = None
    out_of_date: list[OutOfDateModel] | None = None


def router(readers: Readers, watch: Watch, clock_shift: timedelta) -> APIRouter:
    """Return /livez and /readyz."""
    routes = APIRouter(tags=["health"])
    shared = SharedCheck(partial(check_servers, readers, watch.kafka))

    @routes.get("/livez", responses={200: {"content": {"application/json": {"example": {"status": "live"}}}}})
    async def livez() -> dict[str, str]:
        """Show that the process answers."""
        return {"status": "live"}

    @routes.get(
        "/readyz", responses=described(not_ready(["kafka"]), ", and what is down"), response_model_exclude_none=True
    )
    async def readyz(caller: AsCaller) -> Ready:
        """Show whether the read tables and Kafka are reachable, and whether everything else works.

        While they are, queries are answered: the status is 200, and the body says what is degraded and why.
        """
        known, groups = await shared.look()
        found = watch.reasons(known, groups, datetime.now(UTC) + clock_shift)
        status = "degraded" if found else "ready"
        if not caller.operator:
            return Ready(status=status, reasons=[Reason(code=one.code, detail=_FOR_OPERATORS) for one in found])
        return Ready(status=status, reasons=found, stopped=list(known.stopped), out_of_date=list(known.out_of_date))

    return routes
