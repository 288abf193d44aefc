"""The list "Invoice Download and Refund", and "Invoicing Record Details"."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, ValidationError

from projections.answers import Answer
from projections.charges import queries as charges
from projections.details import queries as details
from projections.details.row import Reissue
from projections.history import queries as history
from projections.history.queries import InvoiceHistory
from projections.invoices import queries as invoices
from projections.invoices.filters import InvoiceFilter
from projections.invoices.queries import Cut, InvoicePlace, Line, MatchCount
from projections.paging import Page
from web.api.invoice_rows import csv_answer
from web.api.invoices import DetailsAnswer
from web.console.error_pages import problems_as_pages
from web.console.list_query import TABS, Shown, Tab
from web.console.rendering import Pages
from web.http import cursors
from web.http.identity import AsCaller, Caller
from web.http.min_version import Look, check_number, found, not_found
from web.http.problems import Problem
from web.http.reading import Connection, Reader

_BYTE_ORDER_MARK = "\ufeff"
"""Tells spreadsheets that the text is UTF-8."""
_MAX_SUGGESTIONS = 10
"""Accounts that are suggested at a time."""
_NOTHING: Mapping[str, Any] = {"lines": (), "reissues": {}, "following": None, "counts": {}, "shown": None}
"""What the list shows of an address that is not valid."""
VERSION_WAIT_SECONDS = 5.0
"""Seconds to wait for a version that the page has heard of."""


MinVersion = Annotated[int, Query(ge=0, le=2**31 - 1), BeforeValidator(lambda given: given or 0)]
"""The version of an invoice that the reader has heard of."""


def router(pages: Pages, reader: Reader) -> APIRouter:
    """Return the pages on invoices."""
    routes = APIRouter(include_in_schema=False, route_class=problems_as_pages(pages))

    @routes.get("/")
    async def invoice_list(request: Request, caller: AsCaller) -> Response:
        try:
            query = Shown.model_validate(dict(request.query_params))
        except ValidationError as error:
            faults = {str(fault["loc"][-1]) for fault in error.errors() if fault["loc"]}
            return pages.show(request, "list.html", **_NOTHING, faults=faults)
        cut, accounts = query.cut(), caller.asking_for(query.account_id)
        wanted: Mapping[Tab | None, InvoiceFilter] = {tab: query.of_tab(tab, accounts, pages.now()) for tab in TABS}
        (page, reissues), counts = await asyncio.gather(
            reader.read(lambda connection: _page(connection, wanted[query.tab], cut)),
            reader.read(lambda connection: _counts(connection, wanted)),
        )
        return pages.show(
            request,
            "list.html",
            lines=page.lines,
            reissues=reissues,
            following=cursors.write(page.next) if page.next else None,
            faults=(),
            counts=counts,
            shown=query,
        )

    @routes.get("/invoices.csv")
    async def spreadsheet(caller: AsCaller, query: Annotated[Shown, Query()]) -> Response:
        wanted = query.wanted(caller.asking_for(query.account_id), pages.now())
        return await csv_answer(reader, wanted, query.cut(), begin=_BYTE_ORDER_MARK)

    @routes.get("/accounts")
    async def accounts(
        request: Request, caller: AsCaller, begins: Annotated[str, Query(max_length=64)] = ""
    ) -> Response:
        if caller.accounts is None:
            found = await reader.read(lambda connection: invoices.accounts(connection, begins, _MAX_SUGGESTIONS))
        else:
            found = sorted(one for one in caller.accounts if one.startswith(begins))[:_MAX_SUGGESTIONS]
        return pages.show(request, "accounts.html", accounts=found)

    @routes.get("/rows/{number}")
    async def row(request: Request, caller: AsCaller, number: str, min_version: MinVersion = 0) -> Response:
        line = await line_at_version(reader, caller, number, min_version)
        if "reissue" in line.status.actions:
            with suppress(Problem):  # not seen by the details yet: it has no requests for new invoices either
                await reached(lambda: reader.read(partial(details.of, invoice_number=number)), caller, min_version)
        reissues = await reader.read(lambda connection: _reissues(connection, [line]))
        return pages.show(request, "row.html", line=line, reissues=reissues)

    @routes.get("/details/{number}")
    async def invoice_details(request: Request, caller: AsCaller, number: str, min_version: MinVersion = 0) -> Response:
        check_number(number)
        find = partial(details.of, invoice_number=number)
        details_row = await reached(lambda: reader.read(find), caller, min_version)
        past = await reader.read(lambda connection: history.of(connection, number))
        held = await reader.read(lambda connection: charges.of(connection, number))
        return pages.show(
            request,
            "details.html",
            details=DetailsAnswer.model_validate_json(details_row.body or ""),
            events=InvoiceHistory.model_validate_json(past.body).events if past and past.body else (),
            charge_states={charge.charge_id: charge.state for charge in held},
        )

    return routes


async def _page(
    connection: Connection, wanted: InvoiceFilter, cut: Cut
) -> tuple[Page[Line, InvoicePlace], Mapping[str, Sequence[Reissue]]]:
    page = await invoices.page(connection, wanted, cut)
    return page, await _reissues(connection, page.lines)


async def _reissues(connection: Connection, lines: Sequence[Line]) -> Mapping[str, Sequence[Reissue]]:
    """Return the requests for new invoices of those invoices that may have some."""
    numbers = [line.status.invoice_number for line in lines if "reissue" in line.status.actions]
    return await details.reissues(connection, numbers) if numbers else {}


async def _counts(
    connection: Connection, wanted: Mapping[Tab | None, InvoiceFilter]
) -> Mapping[Tab | None, MatchCount]:
    return {tab: await invoices.count(connection, one) for tab, one in wanted.items()}


async def line_at_version(reader: Reader, caller: Caller, number: str, min_version: int = 0) -> Line:
    """Return the line of a caller's invoice, at the version that they know of if that comes soon. Raises: Problem."""
    check_number(number)
    seen: list[Line] = []

    async def look() -> Answer | None:
        line = await reader.read(lambda connection: invoices.line_of(connection, number))
        seen[:] = [line] if line else []
        return _answer(line) if line else None

    await reached(look, caller, min_version)
    return seen[0]


def _answer(line: Line) -> Answer:
    out_of_date = line.out_of_date.model_dump_json() if line.out_of_date else None
    return Answer(line.status.account_id, line.status.version, None, out_of_date)


async def reached(look: Look, caller: Caller, min_version: int) -> Answer:
    """Wait a little for a version; what is still behind then is shown as it is. Raises: Problem INVOICE_NOT_FOUND."""
    try:
        return await found(
            look, accounts=caller.accounts, min_version=min_version, wait=VERSION_WAIT_SECONDS if min_version else 0
        )
    except Problem as problem:
        if problem.code == "NOT_YET_PROJECTED" and (answer := await look()) and caller.sees(answer.account_id):
            return answer
        raise not_found() from None
