"""What every query shares: the database, with a bound, and an answer that need not be sent twice."""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from http import HTTPStatus
from typing import NamedTuple, TypeVar

from fastapi import Request, Response
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import TupleRow
from pydantic import BaseModel

from transport.clients.postgres import Pool, reading_pool, writing_pool
from web.http.time_limits import attempt, within

CONNECTION_WITHIN = 2.0
"""Seconds to wait for a connection."""
ANSWER_WITHIN = 5.0
"""Seconds for one look at a read table; a frozen database must not collect queries."""
LOG_WITHIN = 1.0
"""Seconds for one look at a log that has a database of its own: what can be said without it does not wait for it."""
MOST_CONNECTIONS = 10
"""Database connections of one api process that read."""
MOST_WRITING_CONNECTIONS = 2
"""Those beside them that read and write the sessions of people who have logged in."""

Connection = AsyncConnection[TupleRow]
_Result = TypeVar("_Result")


def pool_of(database: str, name: str = "api") -> Pool:
    """Return the pool of connections; it is opened by the application. name: of its sessions, and in its metrics."""
    return reading_pool(database, name, size=MOST_CONNECTIONS, within=CONNECTION_WITHIN)


def writing_pool_of(database: str) -> Pool:
    """Return the pool of connections to a server that takes writes; the same holds."""
    return writing_pool(database, "api", size=MOST_WRITING_CONNECTIONS, within=CONNECTION_WITHIN)


class Reader:
    """Runs queries, and answers a caller that has the answer already with 304."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, find: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        """Run one query within its bound, again if its connection is lost. Raises: TimeoutError, psycopg.Error."""
        return await within(ANSWER_WITHIN, self._look(find))

    async def _look(self, find: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        # After a restart of the server every idle connection is found broken; the pool replaces each that is.
        for _ in range(MOST_CONNECTIONS):
            async with self._pool.connection() as connection:
                try:
                    return await find(connection)
                except OperationalError:
                    if not connection.broken:
                        raise
        async with self._pool.connection() as connection:
            return await find(connection)


class Readers(NamedTuple):
    """What reads the read models and what reads the log: one and the same where one database holds both."""

    read_models: Reader
    log: Reader

    @property
    def apart(self) -> bool:
        """Whether the log has a database of its own."""
        return self.log is not self.read_models

    async def log_if_there(self, find: Callable[[Connection], Awaitable[_Result]]) -> _Result | None:
        """Run a query on the log; None if its database is another one and away. Raises: as `Reader.read`."""
        if not self.apart:
            return await self.log.read(find)
        return await attempt("database of the log", LOG_WITHIN, self.log.read(find))


def answer(request: Request, body: str) -> Response:
    """Answer with JSON text under an ETag of its own, or 304 to who has it already. Source: RFC 9110, 13.1.2."""
    encoded = body.encode()
    tag = f'"{blake2b(encoded, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(encoded, media_type="application/json", headers=headers)


def written(model: BaseModel) -> str:
    """Write an answer; what there is nothing to say of is left out."""
    return model.model_dump_json(by_alias=True, exclude_none=True)
