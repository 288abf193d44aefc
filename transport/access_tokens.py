"""Access tokens by which a program proves to Kafka who it is: OAuth's client credentials."""

import asyncio
import json
import time
from collections.abc import Coroutine, Mapping
from threading import Lock
from typing import Any

import httpx2
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jws
from joserfc.errors import JoseError

from transport.threads import OwnThread

_LEAST_LEFT = 30.0
"""Seconds for which a token is still valid when a connection is opened with it."""
_ANSWER_WITHIN = 5.0
"""Seconds for the whole answer of the token endpoint."""
_FAILED_FOR = 1.0
"""Seconds for which nobody asks again an endpoint that gave no token."""


class ClientCredentials(AbstractTokenProvider):
    """Gives each connection a token, and fetches one only when the last is about to expire.

    All clients of a process share it, whatever threads and event loops they run in: the first fetches in a thread of
    its own, the others wait for that and have its outcome. Source: RFC 6749, section 4.4; RFC 7628.
    """

    def __init__(self, endpoint: str, client_id: str, secret: str, scope: str | None) -> None:
        """endpoint: the address that gives tokens. scope: what to ask for, if the endpoint wants that said."""
        self._endpoint = endpoint
        self._client: Mapping[str, Any] = {"client_id": client_id, "client_secret": secret, "scope": scope}
        self._known, self._expires_at = "", float("-inf")
        self._failure, self._failed_at = "", float("-inf")
        self._starting = Lock()
        self._thread: OwnThread | None = None

    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] - the library says nothing of a type
        """Return a token within seconds. Raises: KafkaConnectionError when none can be had."""
        with self._starting:
            self._thread = self._thread or OwnThread("access tokens")
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                return await self._thread.run(self._valid)
        except TimeoutError:
            raise self._none(_too_slow()) from None

    def _valid(self) -> str:
        # Of a token that does not say how long it lasts nobody knows whether it still does.
        if self._expires_at - time.time() < _LEAST_LEFT:
            if time.monotonic() - self._failed_at < _FAILED_FOR:
                raise self._none(self._failure)
            answer = self._fetched()
            self._known, self._expires_at = str(answer["access_token"]), _expires_at(answer)
        return self._known

    def _fetched(self) -> Mapping[str, Any]:
        try:
            fetched = _run(self._fetch())
        except TimeoutError:
            reason = _too_slow()
        except (OAuthError, httpx2.HTTPError, ValueError) as error:
            reason = repr(error)
        else:
            if fetched.get("access_token"):
                return fetched
            reason = "the answer has none"
        self._failure, self._failed_at = reason, time.monotonic()
        raise self._none(reason)

    async def _fetch(self) -> Mapping[str, Any]:
        client: Any = AsyncOAuth2Client(**self._client, timeout=_ANSWER_WITHIN)
        async with asyncio.timeout(_ANSWER_WITHIN), client:
            return await client.fetch_token(self._endpoint, grant_type="client_credentials")

    def _none(self, reason: str) -> KafkaConnectionError:
        return KafkaConnectionError(f"{self._endpoint} gives no access token: {reason}")


def _run(fetch: Coroutine[Any, Any, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Run it as `asyncio.run` does, but do not wait for what it has given up: the lookup of a name may hang."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(fetch)
    finally:
        loop.close()


def _expires_at(answer: Mapping[str, Any]) -> float:
    """Return until when a token serves, in seconds of the epoch: the answer says so, or the token itself (RFC 9068)."""
    try:
        if "expires_at" in answer:
            return float(answer["expires_at"])
        return float(json.loads(jws.extract_compact(answer["access_token"].encode()).payload)["exp"])
    except (JoseError, ValueError, LookupError, TypeError, AttributeError):
        return float("-inf")


def _too_slow() -> str:
    return f"no answer within {_ANSWER_WITHIN:g} s"
