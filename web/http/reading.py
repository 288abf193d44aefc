"""What every query shares: the database, with a bound, and an answer that need not be sent twice."""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from http import HTTPStatus
from typing import TypeVar

from fastapi import Request, Response
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import TupleRow
from pydantic import BaseModel

from transport.clients.postgres import Pool, reading_pool, writing_pool
from web.http.time_limits import within

CONNECTION_WITHIN = 2.0
"""Seconds to wait for a connection."""
ANSWER_WITHIN = 5.0
"""Seconds for one look at a read table; a frozen database must not collect queries."""
MOST_CONNECTIONS = 10
"""Database connections of one api process that read."""
MOST_WRITING_CONNECTIONS = 2
"""Those beside them that read and write the sessions of people who have logged in."""

Connection = AsyncConnection[TupleRow]
_Result = TypeVar("_Result")


def pool_of(database: str) -> Pool:
    """Return the pool of connections; it is opened by the application."""
    return reading_pool(database, "api", size=MOST_CONNECTIONS, within=CONNECTION_WITHIN)


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
