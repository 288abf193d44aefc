"""Open the sealed texts of messages: needs `redletter-events[opening]`, and the address of Redletter's api.

opener = Opener("https://redletter.example.com", token=lambda: my_access_token())
issued = opener.opened(read(record).message)
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from json import load
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from pydantic_core import from_json, to_json

from events.catalogue import json_of
from events.compact_jwe import WrongKey, invoice_of, unseal
from events.sealing import SEALED_TEXT, SEALED_URL, Texts, put_back_into
from events.values import Message

__all__ = ["SEALED_TEXT", "SEALED_URL", "Opener", "WrongKey"]

_REMEMBERED_KEYS = 1_000
_HAS_NO_KEY = "INVOICE_HAS_NO_KEY"
_WAITING = "?min_version=1&wait=5"

AnyMessage = TypeVar("AnyMessage", bound=Message)


class _HasNoKey(Exception):
    """The invoice was erased."""


class Opener:
    """Opens messages with keys that it asks the api for. It remembers some, so make a new one after an erasure.

    token: returns an access token whose claim redletter_accounts has the invoice's account; None where the api asks for
    none. timeout: seconds for an answer of the api.
    """

    def __init__(self, api: str, token: Callable[[], str] | None = None, timeout: float = 10) -> None:
        self._api = api.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._fetched = lru_cache(_REMEMBERED_KEYS)(self._fetch)

    def opened(self, message: AnyMessage) -> AnyMessage:
        """Return a message with its texts; one that has none sealed, or whose invoice was erased, as it is.

        Raises: WrongKey; urllib's HTTPError where the api refuses the key, and OSError where it does not answer.
        """
        if b'"sealed":' not in (body := json_of(message)):
            return message
        return type(message).model_validate_json(to_json(put_back_into(from_json(body), self._texts)))

    def _texts(self, sealed: str) -> Texts | None:
        try:
            return unseal(self._fetched(invoice_of(sealed)), sealed)
        except _HasNoKey:
            return None

    def _fetch(self, invoice_number: str) -> bytes:
        """Return a key; wait for the api where an event is newer than what it has read. Raises: _HasNoKey."""
        headers = {"Authorization": f"Bearer {self._token()}"} if self._token else {}
        request = Request(f"{self._api}/invoices/{quote(invoice_number, safe='')}/key{_WAITING}", headers=headers)  # noqa: S310 - http
        try:
            with urlopen(request, timeout=self._timeout) as answer:  # noqa: S310 - the same
                return urlsafe_b64decode(load(answer)["k"] + "=")
        except HTTPError as error:
            with error:
                if error.code == HTTPStatus.NOT_FOUND and load(error).get("code") == _HAS_NO_KEY:
                    raise _HasNoKey from None
                raise
