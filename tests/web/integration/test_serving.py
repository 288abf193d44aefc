"""The api behind a socket: how it starts, stops, and keeps connections."""

import asyncio
import socket
import time

import pytest

from tests.web.support.serving import served
from tests.web.support.story import UNKNOWN
from transport.addresses import Addresses
from web.http.server import listening_socket


async def test_the_server_answers_until_it_is_cancelled_and_stops_at_once(tables: Addresses) -> None:
    async with served(tables) as (running, client):
        waiting = asyncio.create_task(
            client.get(f"/invoices/{UNKNOWN}/status", params={"min_version": 1, "wait": 30}, timeout=90)
        )
        await client.get("/livez")
        began = time.monotonic()
        running.cancel()
        await asyncio.wait({running})
        assert time.monotonic() - began < 25
        await asyncio.wait({waiting})
        waiting.exception()


async def test_head_is_answered_as_get_without_a_body(tables: Addresses) -> None:
    async with served(tables) as (_, client):
        for path in ("/livez", "/docs", "/invoices/1", "/invoices/1/return"):
            head, got = await client.head(path), await client.get(path)
            assert (head.status_code, head.headers["content-length"]) == (got.status_code, str(len(got.content)))
            assert head.content == b""
            assert "server" not in got.headers


async def test_head_of_the_stream_does_not_hold_up_what_comes_after_it_on_the_connection(tables: Addresses) -> None:
    async with served(tables) as (_, client):
        assert (await client.head("/stream")).status_code == 405
        assert (await client.get("/livez")).status_code == 200


async def test_an_idle_connection_is_not_closed_under_a_caller_that_keeps_it_some_seconds(tables: Addresses) -> None:
    async with served(tables) as (_, client):
        url = client.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        for kept in (6, 0):  # the server's own default is 5
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in await reader.readline()
            await reader.readuntil(b"}")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), kept)
        writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_does_not_wait_for_a_full_packet(host: str) -> None:
    with listening_socket(host, 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
