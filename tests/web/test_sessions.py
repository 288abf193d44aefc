"""What invented cookies can make the api do, while PostgreSQL does not answer."""

import asyncio
import time
from typing import Any

from fastapi import Request, Response
from psycopg import OperationalError

from web.http.reading import Reader, writing_pool_of
from web.http.sessions import Sessions

MANY = 40


async def test_invented_cookies_open_few_connections_and_wait_within_a_bound() -> None:
    opened: list[asyncio.StreamWriter] = []

    def never_answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as frozen:
        port = frozen.sockets[0].getsockname()[1]
        async with writing_pool_of(f"postgresql://nobody@127.0.0.1:{port}/none?sslmode=disable") as pool:
            sessions = Sessions(Reader(pool))
            began = time.monotonic()
            outcomes = await asyncio.gather(
                *(sessions.end(_with_cookie(f"invented-{n}"), Response()) for n in range(MANY)), return_exceptions=True
            )
            assert time.monotonic() - began < 30
            assert all(isinstance(one, OperationalError | TimeoutError) for one in outcomes)
            assert 1 <= len(opened) <= 4  # two at a time, given up once
        for writer in opened:
            writer.close()


async def test_sessions_are_looked_up_where_they_are_written() -> None:
    pool: Any = writing_pool_of("postgresql://nobody@primary.example,standby.example/none")
    assert pool.kwargs["target_session_attrs"] == "read-write"


def _with_cookie(secret: str) -> Request:
    headers = [(b"host", b"localhost"), (b"cookie", f"redletter-session={secret}".encode())]
    return Request(
        {"type": "http", "method": "POST", "path": "/logout", "query_string": b"", "scheme": "http", "headers": headers}
    )
