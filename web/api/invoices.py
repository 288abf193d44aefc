"""Queries on invoices: the list, and everything about one."""

from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from events.status import InvoiceStatus
from events.values import AccountId, InvoiceNumber, StatusCode, Time
from projections.answers import Accounts, Answer, MaybeOutOfDate
from projections.details import queries as details
from projections.details.row import InvoiceDetails
from projections.history import queries as history
from projections.history.queries import InvoiceHistory
from projections.invoices import queries as invoices
from projections.invoices.queries import InvoiceFilter, InvoiceLine
from projections.status import queries as status
from web.http import cursors
from web.http.identity import AsCaller
from web.http.parameters import QueryRoute
from web.http.problems import NOT_MODIFIED, QUERY_PROBLEMS, described
from web.http.reading import Connection, Reader, answer, written
from web.http.waiting import LONGEST_WAIT, Look, check_number, found, not_found, not_issued_yet, not_yet

_MAX_PAGE_LINES = 200
"""Lines of a page at most."""

INVOICE_CURSOR = TypeAdapter[tuple[date, InvoiceNumber]](tuple[date, InvoiceNumber])

Find = Callable[[Connection, str], Awaitable[Answer | None]]


class ListQuery(BaseModel):
    """Which invoices. q: a whole number, or its first or last digits."""

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None
    status: StatusCode | None = None
    q: Annotated[str, Field(pattern=r"^[0-9]{4,20}$", examples=["26312000000000000001", "0001"])] | None = None
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=_MAX_PAGE_LINES)] = 50


class InvoicePage(BaseModel):
    """A page of the list; next_cursor is there when there are more."""

    items: list[InvoiceLine]
    next_cursor: str | None = None


class InvoiceQuery(BaseModel):
    """What may be asked of one invoice. Anything else is refused: a misspelt parameter must not pass for none.

    min_version: answer only when this version is reached, waiting at most ``wait`` seconds for it.
    """

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None
    min_version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0.0


class PastQuery(InvoiceQuery):
    """The same, and perhaps as it was. as_of: RFC 3339, with an offset."""

    as_of: Time | None = None


class StatusAnswer(InvoiceStatus, MaybeOutOfDate):
    """The status document, and whether it is out of date."""


class DetailsAnswer(InvoiceDetails, MaybeOutOfDate):
    """The details, and whether they are out of date."""


class HistoryAnswer(InvoiceHistory, MaybeOutOfDate):
    """The events, and whether later ones are missing."""


_OF_MANY: dict[int | str, dict[str, Any]] = {**NOT_MODIFIED, **QUERY_PROBLEMS}
_OF_ONE: dict[int | str, dict[str, Any]] = {
    **_OF_MANY,
    **described(not_found()),
    **described(not_yet(reached=4, min_version=5), ", with the version reached"),
}


def router(reader: Reader) -> APIRouter:
    """Return the queries on invoices."""
    routes = APIRouter(tags=["invoices"], route_class=QueryRoute)

    def looking(find: Find, number: str) -> Look:
        return lambda: reader.read(lambda connection: find(connection, number))

    @routes.get("/invoices", responses={200: {"model": InvoicePage}, **_OF_MANY}, response_class=Response)
    async def invoice_list(request: Request, caller: AsCaller, query: Annotated[ListQuery, Query()]) -> Response:
        """Invoice Download and Refund: newest first; a search goes by number."""
        after = cursors.read(query.cursor, INVOICE_CURSOR) if query.cursor else None
        wanted = InvoiceFilter(caller.asking_for(query.account_id), query.status, query.q, after, query.limit)
        page = await reader.read(lambda connection: invoices.page(connection, wanted))
        following = cursors.write(page.next) if page.next else None
        return answer(
            request,
            written(InvoicePage(items=[invoices.as_served(line) for line in page.lines], next_cursor=following)),
        )

    @routes.get("/invoices/{number}", responses={200: {"model": DetailsAnswer}, **_OF_ONE}, response_class=Response)
    async def invoice_details(
        request: Request, caller: AsCaller, number: str, query: Annotated[PastQuery, Query()]
    ) -> Response:
        """Invoicing Record Details: the invoice as issued, and all that became of it, at one version."""
        find = details.of if query.as_of is None else partial(history.details_at, moment=query.as_of)
        return await _of_one(request, looking(find, number), number, query, caller.asking_for(query.account_id))

    @routes.get(
        "/invoices/{number}/status", responses={200: {"model": StatusAnswer}, **_OF_ONE}, response_class=Response
    )
    async def invoice_status(
        request: Request, caller: AsCaller, number: str, query: Annotated[PastQuery, Query()]
    ) -> Response:
        """Where the invoice and its return stand."""
        find = status.of if query.as_of is None else partial(history.status_at, moment=query.as_of)
        return await _of_one(request, looking(find, number), number, query, caller.asking_for(query.account_id))

    @routes.get(
        "/invoices/{number}/history", responses={200: {"model": HistoryAnswer}, **_OF_ONE}, response_class=Response
    )
    async def invoice_history(
        request: Request, caller: AsCaller, number: str, query: Annotated[InvoiceQuery, Query()]
    ) -> Response:
        """Every event of the invoice, as it was published."""
        accounts = caller.asking_for_history(query.account_id)
        return await _of_one(request, looking(history.of, number), number, query, accounts)

    return routes


async def _of_one(request: Request, look: Look, number: str, query: InvoiceQuery, accounts: Accounts) -> Response:
    check_number(number)
    as_served = await found(look, accounts=accounts, min_version=query.min_version, wait=query.wait)
    if as_served.body is None:
        raise not_issued_yet()
    return answer(request, as_served.body)
