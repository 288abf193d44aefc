"""Connections that nobody may hold for nothing, on a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.projections.support import facts
from tests.web.support.serving import served
from transport.addresses import Addresses
from web.http import slow_clients

POST = b"POST /invoices/26312000000000000001/return HTTP/1.1\r\n"
HEADERS = POST + b"Host: localhost\r\nIdempotency-Key: 1\r\nContent-Length: 20\r\n\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def client(tables: Addresses, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an api that is not patient."""
    monkeypatch.setattr(slow_clients, "ARRIVED_WITHIN", 1.0)
    monkeypatch.setattr(slow_clients, "FETCHED_WITHIN", 1.0)
    async with served(tables) as (_, client):
        yield client


async def opened(client: httpx.AsyncClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(client.base_url.host, client.base_url.port)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /livez HT",
        HEADERS,
        HEADERS + b'{"account_id"',
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
    ],
)
async def test_a_request_that_does_not_arrive_ends(client: httpx.AsyncClient, begun: bytes) -> None:
    reader, writer = await opened(client)
    writer.write(begun)
    async with asyncio.timeout(60):
        answer = await reader.read()
    assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 200"))  # what needs no body is answered without waiting
    writer.close()


async def test_a_request_that_dribbles_in_ends_too(client: httpx.AsyncClient) -> None:
    _, writer = await opened(client)

    async def dribble() -> None:
        for byte in HEADERS * 10:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(dribble(), 60)
    writer.close()


async def test_the_second_request_on_a_connection_has_to_arrive_too(client: httpx.AsyncClient) -> None:
    reader, writer = await opened(client)
    writer.write(GET + GET[:5])
    async with asyncio.timeout(60):
        answers = await reader.read()
    assert [answers.count(one) for one in (b"HTTP/1.1 200", b"HTTP/1.1 408")] == [1, 1]
    writer.close()


async def test_a_client_may_take_its_time_between_two_requests(client: httpx.AsyncClient) -> None:
    reader, writer = await opened(client)
    for _ in range(2):
        writer.write(GET)
        async with asyncio.timeout(60):
            await reader.readuntil(b"}")
        await asyncio.sleep(2 * slow_clients.ARRIVED_WITHIN)
    writer.close()


async def test_a_client_that_does_not_fetch_its_answers_is_cut_off(client: httpx.AsyncClient) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port)) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.setblocking(False)  # noqa: FBT003 - the library's

        async def ask() -> None:
            while True:  # the server reads on until its answers are not fetched, and then no more
                request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
                await asyncio.get_running_loop().sock_sendall(greedy, request)
                await asyncio.sleep(0)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ask(), 60)


async def test_headers_without_end_are_refused(client: httpx.AsyncClient) -> None:
    reader, writer = await opened(client)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000)
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_a_body_of_the_longest_command_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"/invoices/{facts.NUMBER}/return", content=b" " * 300_000)
    assert answer.status_code == 422
