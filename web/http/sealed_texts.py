"""Sealed texts are opened for whoever may see their invoice, each time anew: an erased one is shown no more."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeVar, cast

import structlog
from psycopg.rows import TupleRow
from pydantic_core import from_json, to_json

from events.catalogue import json_of
from events.compact_jwe import WrongKey, invoice_of, unseal
from events.sealing import SEALED_FIELD, Texts, put_back_into, sealed_fields
from events.values import Message
from projections.answers import Answer
from projections.invoice_keys import WRAPPED_KEYS, unwrapped
from projections.invoices.queries import Line
from projections.paging import Page
from rules.key_wrapping import KeyWrapping, OutsideKeyMissing
from transport.clients.postgres import Pool
from web.http.problems import Problem
from web.http.reading import Connection, Reader

log = structlog.get_logger(__name__)

_MARK = f'"{SEALED_FIELD}":'
_Result = TypeVar("_Result")
_Open = Callable[[str], Texts | None]


def keys_unavailable() -> Problem:
    """Return the answer while texts cannot be opened that are not erased."""
    detail = "The keys of sealed texts are not available right now: this api lacks the key from outside."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "KEYS_UNAVAILABLE", detail)


class InvoiceKeys:
    """The keys of invoices. table: asks the server of the log, where a destroyed key is gone at once."""

    def __init__(self, table: Reader, wrapping: KeyWrapping) -> None:
        self._table = table
        self._wrapping = wrapping

    async def of(self, numbers: Collection[str]) -> Mapping[str, bytes]:
        """Return the keys of those invoices that have one: a key that is there and cannot be had is no erasure.

        Raises: Problem KEYS_UNAVAILABLE, TimeoutError, psycopg.Error.
        """
        if not numbers:
            return {}

        async def find(connection: Connection) -> list[TupleRow]:
            return await (await connection.execute(WRAPPED_KEYS, [sorted(numbers)], binary=True)).fetchall()

        rows = await self._table.read(find)
        try:
            return dict(unwrapped(rows, self._wrapping))
        except OutsideKeyMissing as missing:
            log.error("outside_key_missing", why=str(missing))  # noqa: TRY400 - the reason says all
            raise keys_unavailable() from None


class OpeningReader(Reader):
    """Runs queries, and opens the texts in what they find of invoices."""

    def __init__(self, pool: Pool, keys: InvoiceKeys) -> None:
        super().__init__(pool)
        self._keys = keys

    async def read(self, find: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        """Run one query as `Reader` does. Raises: the same, and what `InvoiceKeys.of` raises."""
        found = await super().read(find)
        fields = list(_sealed_in(found))
        if not fields:
            return found
        numbers = {number for one in fields if (number := _invoice_of(one))}
        keys = await self._keys.of(numbers)

        def opened(sealed: str) -> Texts | None:
            key = keys.get(_invoice_of(sealed) or "")
            return _unsealed(key, sealed) if key else None

        return _with_texts(found, opened)


def _invoice_of(sealed: str) -> str | None:
    try:
        return invoice_of(sealed)
    except (ValueError, KeyError):
        return None


def _unsealed(key: bytes, sealed: str) -> Texts | None:
    try:
        return unseal(key, sealed)
    except (WrongKey, ValueError) as fault:
        log.error("sealed_text_not_opened", invoice=_invoice_of(sealed), error=repr(fault))  # noqa: TRY400 - the same
        return None


def _sealed_in(found: object) -> Iterator[str]:
    """Yield what is sealed in what a query has found: answers, lines, messages, and whatever holds some."""
    match found:
        case Answer(shown=str(text)) if _MARK in text:
            yield from sealed_fields(from_json(text))
        case Line():
            yield from _sealed_in([found.issued, found.status.last_refusal])
        case Message() if sealed := getattr(found, SEALED_FIELD, None):
            yield from (sealed,) if isinstance(sealed, str) else sealed
        case Page():
            yield from _sealed_in(found.lines)
        case Mapping():
            yield from _sealed_in([*cast("Mapping[Any, Any]", found).values()])
        case list() | tuple():
            for one in cast("list[Any]", found):
                yield from _sealed_in(one)
        case _:
            return


def _with_texts(  # noqa: PLR0911 - one case per kind
    found: Any,  # noqa: ANN401 - the same
    opened: _Open,
) -> Any:  # noqa: ANN401 - the same
    match found:
        case Answer(shown=str(text)):
            return found._replace(shown=_opened(text.encode(), opened).decode())
        case Line():
            return replace(found, issued=_with_texts(found.issued, opened), status=_with_texts(found.status, opened))
        case Message():
            return type(found).model_validate_json(_opened(json_of(found), opened))
        case Page():
            return replace(found, lines=_with_texts(found.lines, opened))
        case Mapping():
            return {key: _with_texts(one, opened) for key, one in cast("Mapping[Any, Any]", found).items()}
        case list() | tuple():
            return type(found)(_with_texts(one, opened) for one in cast("list[Any]", found))
        case _:
            return found


def _opened(text: bytes, opened: _Open) -> bytes:
    return to_json(put_back_into(from_json(text), opened))
