"""Access tokens for Kafka: one serves every connection until it is about to expire, and no error repeats the secret."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from joserfc import jws
from joserfc.jwk import OctKey

from tests.support.waiting import until
from transport import access_tokens
from transport.access_tokens import ClientCredentials

SECRET = "not-to-be-told"  # noqa: S105 - of nothing
PAUSE = 0.02
"""Seconds between two bytes of an answer that trickles in."""


class Endpoint(ThreadingHTTPServer):
    """Gives tokens. says: more of each answer. given: how many. at_once: whether all of an answer comes together."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.says: dict[str, Any] = {"expires_in": 3600}
        self.status = 200
        self.given = 0
        self.at_once = threading.Event()
        self.at_once.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


class Answer(BaseHTTPRequestHandler):
    """A token, or a refusal."""

    def do_POST(self) -> None:
        endpoint = self.server
        assert isinstance(endpoint, Endpoint)
        self.rfile.read(int(self.headers["Content-Length"]))
        endpoint.given += 1
        body = json.dumps({"access_token": f"token {endpoint.given}", "token_type": "Bearer"} | endpoint.says).encode()
        self.send_response(endpoint.status)
        self.send_header("Content-Type", "application/json")
        if endpoint.at_once.is_set():
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            while not endpoint.at_once.wait(PAUSE):
                self.wfile.write(b" ")
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        serving = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield endpoint
        endpoint.at_once.set()
        endpoint.shutdown()
        serving.join()


def credentials(endpoint: Endpoint) -> ClientCredentials:
    return ClientCredentials(endpoint.url, "worker", SECRET, None)


async def test_a_token_serves_until_it_is_about_to_expire(endpoint: Endpoint) -> None:
    tokens = credentials(endpoint)
    assert [await tokens.token() for _ in range(3)] == ["token 1"] * 3
    assert endpoint.given == 1


async def test_a_token_says_itself_until_when_it_serves_if_the_answer_does_not(endpoint: Endpoint) -> None:
    for lasts, serves_again in ((3600, True), (10, False)):
        endpoint.says = {"access_token": signed({"exp": int(time.time()) + lasts})}
        tokens = credentials(endpoint)
        endpoint.given = 0
        assert [await tokens.token() for _ in range(2)] == [endpoint.says["access_token"]] * 2
        assert endpoint.given == (1 if serves_again else 2)


def signed(claims: object) -> str:
    return jws.serialize_compact({"alg": "HS256"}, json.dumps(claims), OctKey.generate_key())


@pytest.mark.parametrize(
    "says", [{"expires_in": 10}, {}, *({"access_token": signed(claims)} for claims in ({}, {"exp": "later"}, [1]))]
)
async def test_a_token_that_may_have_expired_serves_once(endpoint: Endpoint, says: dict[str, Any]) -> None:
    endpoint.says, tokens = says, credentials(endpoint)
    for _ in range(2):
        await tokens.token()
    assert endpoint.given == 2


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, {"error": "invalid_client", "error_description": "who?"}),
        (200, {"access_token": None}),
        (500, {}),
    ],
)
async def test_without_a_token_there_is_no_connection(endpoint: Endpoint, status: int, says: dict[str, Any]) -> None:
    endpoint.status, endpoint.says = status, says
    tokens = credentials(endpoint)
    for _ in range(2):
        with pytest.raises(KafkaConnectionError, match="gives no access token") as refused:
            await tokens.token()
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize("status", [200, 500])
async def test_all_who_wait_have_the_outcome_of_one_fetch(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint, status: int
) -> None:
    monkeypatch.setattr(access_tokens, "_FAILED_FOR", 60)
    endpoint.status, tokens = status, credentials(endpoint)
    here = [tokens.token() for _ in range(3)]
    elsewhere = [asyncio.to_thread(asyncio.run, tokens.token()) for _ in range(3)]
    outcomes = await asyncio.gather(*here, *elsewhere, return_exceptions=True)
    assert len({repr(outcome) for outcome in outcomes}) == 1
    assert endpoint.given == 1


async def test_an_endpoint_that_gave_none_is_asked_again_a_little_later(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    monkeypatch.setattr(access_tokens, "_FAILED_FOR", 0)
    endpoint.status, tokens = 500, credentials(endpoint)
    with pytest.raises(KafkaConnectionError):
        await tokens.token()
    endpoint.status = 200
    assert await tokens.token() == "token 2"


async def test_an_answer_that_trickles_in_is_waited_for_once_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    monkeypatch.setattr(access_tokens, "_ANSWER_WITHIN", 0.5)
    monkeypatch.setattr(access_tokens, "_FAILED_FOR", 0)
    endpoint.at_once.clear()
    tokens = credentials(endpoint)
    with pytest.raises(KafkaConnectionError, match=r"no answer within 0\.5 s"):
        async with asyncio.timeout(60):
            await tokens.token()
    endpoint.at_once.set()
    monkeypatch.setattr(access_tokens, "_ANSWER_WITHIN", 60)
    assert (await tokens.token()).startswith("token ")


async def test_a_name_that_is_looked_up_for_ever_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    monkeypatch.setattr(access_tokens, "_ANSWER_WITHIN", 0.5)
    monkeypatch.setattr(access_tokens, "_FAILED_FOR", 0)
    tokens = ClientCredentials(endpoint.url.replace("127.0.0.1", "localhost"), "worker", SECRET, None)
    entered, answered = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        entered.set()
        answered.wait()

    async def is_looked_up_in_vain() -> bool:
        with pytest.raises(KafkaConnectionError, match=r"no answer within 0\.5 s"):
            await tokens.token()
        return entered.is_set()

    try:
        with monkeypatch.context() as hanging:
            hanging.setattr(socket, "getaddrinfo", hang)
            await until(is_looked_up_in_vain)
        monkeypatch.setattr(access_tokens, "_ANSWER_WITHIN", 60)
        assert (await tokens.token()).startswith("token ")
    finally:
        answered.set()


async def test_an_endpoint_that_is_away_is_told() -> None:
    with pytest.raises(KafkaConnectionError, match=r"127\.0\.0\.1:1/token gives no access token"):
        await ClientCredentials("http://127.0.0.1:1/token", "worker", SECRET, None).token()
