"""Queries on invoices: the list, and everything about one."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from events.status import InvoiceStatus
from events.values import AccountId, Day, InvoiceNumber, Kind, Money, Name, SeenPostingStatus, StatusCode, Time
from projections.answers import Accounts, Answer, MaybeOutOfDate
from projections.details import queries as details
from projections.details.row import InvoiceDetails
from projections.history import queries as history
from projections.history.queries import InvoiceHistory
from projections.invoices import queries as invoices
from projections.invoices.filters import EVERYWHERE, InvoiceFilter
from projections.invoices.queries import Cut, InvoiceLine, InvoiceSort, MatchCount
from projections.invoices.standing import STANDINGS, Standing
from projections.status import queries as status
from rules.numbers import fold_number
from web.api.invoice_rows import CSV, CSV_EXAMPLE, csv_answer, wants_csv
from web.http import cursors
from web.http.identity import AsCaller
from web.http.min_version import LONGEST_WAIT, Look, check_number, found, not_found, not_issued_yet, not_yet
from web.http.parameters import QueryRoute
from web.http.problems import NOT_MODIFIED, QUERY_PROBLEMS, described
from web.http.reading import Connection, Reader, answer, written

_MAX_PAGE_LINES = 200
"""Lines of a page at most."""

NEAR_DUE = timedelta(hours=24)
"""A return that is due within so long needs attention."""

Attention = Literal["refused", "overdue", "near_due"]
_Amount = Annotated[str, Field(pattern=r"^[0-9]{1,16}(\.[0-9]{1,2})?$", examples=["106.00"])]
Digits = Annotated[
    str,
    BeforeValidator(fold_number),
    Field(pattern=r"^[0-9]{4,20}$", examples=["26312000000000000001", "0001"]),
]
CURSORS: Mapping[str, TypeAdapter[Any]] = {
    "issued_on": TypeAdapter(tuple[Day, InvoiceNumber]),
    "total_amount": TypeAdapter(tuple[Money, InvoiceNumber]),
    "due_latest": TypeAdapter(tuple[Time | Day, InvoiceNumber]),
}
"""The place where a page ended, by what it is sorted by."""

Find = Callable[[Connection, str], Awaitable[Answer | None]]


class ListQuery(BaseModel):
    """Which invoices, and in which order.

    attention: invoices whose return was refused, is overdue, or is due within 24 hours. issued_from, issued_to,
    amount_from, amount_to: the bounds are included. buyer: a tax id, or the beginning of a name, in any case. q: a
    whole number, or its first or last digits; blanks and hyphens do not matter. sort: by due date, others come last.
    """

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None
    status: StatusCode | None = None
    attention: Attention | None = None
    kind: Kind | None = None
    posting_status: SeenPostingStatus | None = None
    issued_from: Day | None = None
    issued_to: Day | None = None
    amount_from: _Amount | None = None
    amount_to: _Amount | None = None
    buyer: Name | None = None
    q: Digits | None = None
    sort: InvoiceSort = "-issued_on"
    cursor: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=_MAX_PAGE_LINES)] = 50

    def wanted(self, accounts: Accounts, now: datetime) -> InvoiceFilter:
        """Return the filter, for a caller who sees these accounts."""
        every = InvoiceFilter(
            accounts,
            STANDINGS[self.status] if self.status else EVERYWHERE,
            now + NEAR_DUE if self.attention == "near_due" else None,
            self.kind,
            self.posting_status,
            self.issued_from,
            self.issued_to,
            Decimal(self.amount_from) if self.amount_from else None,
            Decimal(self.amount_to) if self.amount_to else None,
            self.buyer,
            self.q,
        )
        return every.only(_STANDINGS[self.attention]) if self.attention else every

    def cut(self) -> Cut:
        """Return the part of the list. Raises: Problem MALFORMED_QUERY, for a cursor that is not of this order."""
        after = cursors.read(self.cursor, CURSORS[self.sort.removeprefix("-")]) if self.cursor else None
        return Cut(self.sort, after, self.limit)


_STANDINGS: Mapping[Attention, tuple[Standing, ...]] = {
    "refused": ("refused",),
    "overdue": ("overdue",),
    "near_due": ("return_in_progress",),
}


class InvoicePage(BaseModel):
    """A page of the list; next_cursor is there when there are more. count: of all that match, on every page."""

    items: list[InvoiceLine]
    next_cursor: str | None = None
    count: MatchCount


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
_LIST: dict[int | str, dict[str, Any]] = {
    200: {"model": InvoicePage, "content": {CSV: {"schema": {"type": "string"}, "example": CSV_EXAMPLE}}},
    **_OF_MANY,
}
_OF_ONE: dict[int | str, dict[str, Any]] = {
    **_OF_MANY,
    **described(not_found()),
    **described(not_yet(reached=4, min_version=5), ", with the version reached"),
}


def router(reader: Reader, clock_shift: timedelta) -> APIRouter:
    """Return the queries on invoices. clock_shift: moves the clock for tests and demos."""
    routes = APIRouter(tags=["invoices"], route_class=QueryRoute)

    def looking(find: Find, number: str) -> Look:
        return lambda: reader.read(lambda connection: find(connection, number))

    @routes.get("/invoices", responses=_LIST, response_class=Response)
    async def invoice_list(request: Request, caller: AsCaller, query: Annotated[ListQuery, Query()]) -> Response:
        """Invoice Download and Refund: newest first, or sorted. ``Accept: text/csv`` gets all that match."""
        cut = query.cut()
        wanted = query.wanted(caller.asking_for(query.account_id), datetime.now(UTC) + clock_shift)
        if wants_csv(request):
            return await csv_answer(reader, wanted, cut)
        page = await reader.read(lambda connection: invoices.page(connection, wanted, cut))
        count = await reader.read(lambda connection: invoices.count(connection, wanted))
        following = cursors.write(page.next) if page.next else None
        items = [invoices.as_served(line) for line in page.lines]
        return answer(request, written(InvoicePage(items=items, next_cursor=following, count=count)))

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
