"""Access tokens by which a program proves to Kafka who it is: OAuth's client credentials."""

import asyncio
import time
from collections.abc import Mapping
from threading import Lock
from typing import Any

import httpx2
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

_LEAST_LEFT = 30.0
"""Seconds for which a token is still valid when a connection is opened with it."""
_ANSWER_WITHIN = 5.0
"""Seconds for the answer of the token endpoint."""


class ClientCredentials(AbstractTokenProvider):
    """Gives each connection a token, and fetches one only when the last is about to expire.

    All clients of a process share it, whatever threads and event loops they run in. Source: RFC 6749, section 4.4;
    RFC 7628.
    """

    def __init__(self, endpoint: str, client_id: str, secret: str, scope: str | None) -> None:
        """endpoint: the address that gives tokens. scope: what to ask for, if the endpoint wants that said."""
        self._endpoint = endpoint
        self._client = OAuth2Client(client_id, secret, scope=scope, timeout=_ANSWER_WITHIN)
        self._used = Lock()

    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] - the library says nothing of a type
        """Return a token. Raises: KafkaConnectionError when none can be had."""
        return await asyncio.to_thread(self._valid)

    def _valid(self) -> str:
        with self._used:
            known = self._client.token
            # Of a token that does not say how long it lasts nobody knows whether it still does.
            if known is None or known.get("expires_at", 0) - time.time() < _LEAST_LEFT:
                known = self._fetched()
            return str(known["access_token"])

    def _fetched(self) -> Mapping[str, Any]:
        try:
            fetched = self._client.fetch_token(self._endpoint, grant_type="client_credentials")
        except (OAuthError, httpx2.HTTPError, ValueError) as error:
            raise _none_from(self._endpoint, repr(error)) from error
        if not fetched.get("access_token"):
            raise _none_from(self._endpoint, "the answer has none")
        return fetched


def _none_from(endpoint: str, reason: str) -> KafkaConnectionError:
    return KafkaConnectionError(f"{endpoint} gives no access token: {reason}")
