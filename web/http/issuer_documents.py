"""What an OpenID issuer publishes of itself: fetched when it is needed, and again when its keys change."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

log = structlog.get_logger(__name__)

RENEWED_AFTER = 600.0
"""Seconds after which they are fetched again, so that a key that the issuer has withdrawn ceases to count."""
RENEWAL_PAUSE = 5.0
"""Seconds between two fetches: tokens with invented key ids must not become requests to the issuer."""
_RENEWED_WITHIN = 2.0
"""Seconds that a request waits for newer documents than those known."""
_ANSWER_WITHIN = 5.0
"""Seconds for each of the two documents."""
_LONGEST_DOCUMENT = 1 << 20
"""Bytes of a document that are read."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens. url: exactly as in the claim ``iss``. audience: what ``aud`` must name."""

    url: str
    audience: str


class IssuerUnavailable(Exception):
    """The issuer's documents were never fetched, and cannot be right now."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What an issuer publishes. configuration: its addresses, by name. keys: those that it signs with."""

    configuration: Mapping[str, Any]
    keys: KeySet


class IssuerDocuments:
    """The documents of one issuer. url: as in `Issuer`. Source: OpenID Connect Discovery 1.0, section 4; RFC 7517."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._discovered: Discovered | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._fetched_at = self._discovered_at = 0.0

    async def known(self) -> Discovered:
        """Return them; old ones count only while newer ones cannot be had. Raises: IssuerUnavailable."""
        if self._discovered is None:
            return await self.newest()
        if time.monotonic() - self._discovered_at > RENEWED_AFTER:
            await asyncio.wait({self._current_fetch()}, timeout=_RENEWED_WITHIN)
        return self._discovered

    async def newest(self) -> Discovered:
        """Return them as they are at the issuer, unless they were fetched just now. Raises: IssuerUnavailable."""
        await asyncio.shield(self._current_fetch())
        if self._discovered is None:
            raise IssuerUnavailable
        return self._discovered

    def _current_fetch(self) -> asyncio.Task[None]:
        """Return the fetch that is under way or has only just ended, else a new one."""
        now = time.monotonic()
        if self._fetch is None or (self._fetch.done() and now - self._fetched_at >= RENEWAL_PAUSE):
            self._fetched_at = now
            self._fetch = asyncio.create_task(self._renew())
        return self._fetch

    async def _renew(self) -> None:
        try:
            began = time.monotonic()
            self._discovered = await asyncio.to_thread(_fetched, self.url)
            self._discovered_at = began
        except (OSError, ValueError, LookupError, TypeError, JoseError) as error:
            log.warning("issuer_not_available", issuer=self.url, error=repr(error))


def _fetched(issuer: str) -> Discovered:
    """Return what the issuer publishes; of its keys, the public ones.

    Raises: OSError, ValueError, LookupError, TypeError, JoseError.
    """
    configuration = _document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if configuration["issuer"] != issuer:
        msg = f"the configuration is that of {configuration['issuer']!r}"
        raise ValueError(msg)
    keys = KeySet.import_key_set(_document(str(configuration["jwks_uri"])))
    return Discovered(configuration, KeySet([key for key in keys if not isinstance(key, OctKey)]))


def _document(url: str) -> Any:  # noqa: ANN401 - any JSON
    if not url.startswith(("https://", "http://")):
        msg = f"{url!r} is no web address"
        raise ValueError(msg)
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked above
    with urlopen(request, timeout=_ANSWER_WITHIN) as response:  # noqa: S310 - the same
        return json.loads(response.read(_LONGEST_DOCUMENT))
