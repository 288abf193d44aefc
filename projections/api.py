"""The HTTP side of the queries. Bodies are served as the read models keep them, byte for byte."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Query, Response
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field

from events.status import InvoiceStatus
from events.values import AccountId
from projections import problems, readiness
from projections.answers import Answer
from projections.bounded import within
from projections.details import queries as details
from projections.details.row import InvoiceDetails
from projections.problems import ProblemDocument
from projections.readiness import Pool
from projections.status import queries as status
from projections.waiting import LONGEST_WAIT, found, not_found
from transport.addresses import Addresses

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 10
"""Database connections of one api process."""
CONNECTION_WITHIN = 2.0
"""Seconds to wait for a connection, and after which the pool gives a dead server up until the next query."""
ANSWER_WITHIN = 5.0
"""Seconds for one look at a read table; a frozen database must not collect queries."""
STOP_WITHIN = 2
"""Seconds that requests under way may take when the api stops."""

_INVOICE_NUMBER = re.compile(r"[0-9]{20}", re.ASCII)

Find = Callable[[AsyncConnection[TupleRow], str], Awaitable[Answer | None]]


class InvoiceQuery(BaseModel):
    """What may be asked of one invoice. Anything else is refused: a misspelt parameter must not pass for none.

    min_version: answer only when this version is reached, waiting at most ``wait`` seconds for it.
    """

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None
    min_version: Annotated[int, Field(ge=0)] = 0
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0.0


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDocument, "description": "INVOICE_NOT_FOUND"},
    409: {"model": ProblemDocument, "description": "NOT_YET_PROJECTED, with the version reached"},
    422: {"model": ProblemDocument, "description": "MALFORMED_QUERY"},
    503: {"model": ProblemDocument, "description": "READ_MODEL_UNAVAILABLE"},
}


def build(addresses: Addresses) -> FastAPI:
    """Return the application; its lifespan holds the database connections, and starts while the database is down."""
    pool = _pool(addresses.database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await pool.open(wait=False)
        try:
            yield
        finally:
            await pool.close(timeout=1)

    app = FastAPI(title="Redletter", description="Where is my return?", lifespan=lifespan)
    app.include_router(_invoices(pool))
    app.include_router(_health(pool, addresses.kafka))
    problems.install(app)
    return app


def _pool(database: str) -> Pool:
    return AsyncConnectionPool(
        database,
        kwargs={"autocommit": True, "connect_timeout": int(CONNECTION_WITHIN)},
        min_size=1,
        max_size=MOST_CONNECTIONS,
        open=False,
        check=AsyncConnectionPool.check_connection,
        timeout=CONNECTION_WITHIN,
        reconnect_timeout=CONNECTION_WITHIN,
    )


def _invoices(pool: Pool) -> APIRouter:
    """Return the queries on one invoice."""
    router = APIRouter(prefix="/invoices/{number}", tags=["invoices"], responses=_PROBLEMS)

    @router.get("", responses={200: {"model": InvoiceDetails}}, response_class=Response)
    async def invoice_details(number: str, query: Annotated[InvoiceQuery, Query()]) -> Response:
        """Invoicing Record Details: the invoice as issued, and all that became of it, at one version."""
        return await _answer(pool, details.of, number, query)

    @router.get("/status", responses={200: {"model": InvoiceStatus}}, response_class=Response)
    async def invoice_status(number: str, query: Annotated[InvoiceQuery, Query()]) -> Response:
        """Where the invoice and its return stand."""
        return await _answer(pool, status.of, number, query)

    return router


async def _answer(pool: Pool, find: Find, number: str, query: InvoiceQuery) -> Response:
    if not _INVOICE_NUMBER.fullmatch(number):
        raise not_found()

    async def look() -> Answer | None:
        async with pool.connection() as connection:
            return await find(connection, number)

    answer = await found(
        lambda: within(ANSWER_WITHIN, look()),
        account_id=query.account_id,
        min_version=query.min_version,
        wait=query.wait,
    )
    return Response(answer.body, media_type="application/json")


def _health(pool: Pool, kafka: str) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/livez")
    async def livez() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "live"}

    @router.get("/readyz", responses={503: {"model": ProblemDocument, "description": "NOT_READY, and what is down"}})
    async def readyz() -> dict[str, str]:
        """Say whether the read tables and Kafka can be reached."""
        await readiness.check(pool, kafka)
        return {"status": "ready"}

    return router


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the role decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def run(addresses: Addresses, *, host: str, port: int) -> None:
    """Serve until cancelled. port: 0 takes any free one; the log tells which.

    Raises: OSError when the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        log.info("answering queries", host=host, port=listening.getsockname()[1])
        await _serve(build(addresses), listening)


async def _serve(app: FastAPI, listening: socket.socket) -> None:
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=STOP_WITHIN))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait({serving})
