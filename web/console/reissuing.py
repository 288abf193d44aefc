"""The page "Issue Invoice": charges of returned invoices, and the dialog that asks for a new invoice for them."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from events.commands import RequestReissue
from projections.charges import queries as charges
from projections.details import queries as details
from projections.details.row import InvoiceDetails
from projections.invoices.queries import Line
from web.api.lookups import CHARGE_CURSOR
from web.console import html_forms
from web.console.error_pages import problems_as_pages
from web.console.html_forms import Filled, SentForm
from web.console.invoices import MinVersion, line_at_version, reached
from web.console.rendering import Pages
from web.gateway.command_publisher import CommandPublisher
from web.http import cursors
from web.http.identity import AsCaller, Caller
from web.http.problems import Problem
from web.http.reading import Reader

_PAGE_CHARGES = 100
"""Released charges shown at a time."""


def router(pages: Pages, reader: Reader, publisher: CommandPublisher) -> APIRouter:
    """Return the page, the dialog, and what it sends."""
    routes = APIRouter(include_in_schema=False, route_class=problems_as_pages(pages))

    async def show(request: Request, caller: Caller, line: Line, filled: Filled) -> Response:
        number = line.status.invoice_number
        answer = await reached(lambda: reader.read(lambda connection: details.of(connection, number)), caller, 0)
        held = await reader.read(lambda connection: charges.of(connection, number))
        invoice = InvoiceDetails.model_validate_json(answer.body or "").invoice
        free = {one.charge_id for one in held if one.state == "released"}
        offered = [one for one in invoice.charges if one.charge_id in free]
        return pages.show(request, "reissue.html", line=line, invoice=invoice, offered=offered, filled=filled)

    @routes.get("/issue")
    async def released(
        request: Request, caller: AsCaller, account_id: Annotated[str, Query(max_length=64)] = "", cursor: str = ""
    ) -> Response:
        after = cursors.read(cursor, CHARGE_CURSOR) if cursor else None
        wanted = charges.ChargeFilter(caller.asking_for(account_id.strip() or None), "released", after, _PAGE_CHARGES)
        page = await reader.read(lambda connection: charges.page(connection, wanted))
        by_invoice: dict[str, list[charges.ChargeLine]] = {}
        for charge in page.lines:
            by_invoice.setdefault(charge.invoice_number, []).append(charge)
        following = cursors.write(page.next) if page.next else None
        return pages.show(request, "issue.html", released=by_invoice, following=following)

    @routes.get("/reissue/{number}")
    async def dialog(request: Request, caller: AsCaller, number: str, min_version: MinVersion = 0) -> Response:
        line = await line_at_version(reader, caller, number, min_version)
        return await show(request, caller, line, html_forms.opened(request))

    @routes.post("/reissue/{number}")
    async def send(request: Request, caller: AsCaller, number: str) -> Response:
        form = await html_forms.read(request)
        line = await line_at_version(reader, caller, number)
        try:
            selected = _selection(form)
            return await html_forms.give_command(request, publisher, caller, RequestReissue, line, selected, form)
        except Problem as problem:
            line = await line_at_version(reader, caller, number, html_forms.version_of(problem))
            return await show(request, caller, line, html_forms.refilled(form, problem))

    return routes


def _selection(form: SentForm) -> Mapping[str, Any]:
    """Return the command's body. A buyer whose name was cleared is refused, and not taken from the original."""
    fields: dict[str, Any] = html_forms.filled_in(form, ("kind", "remarks"))
    fields["charge_ids"] = form.get("charge_ids", [])
    if "buyer.name" not in form:
        return fields
    tax_id = html_forms.filled_in(form, ("buyer.tax_id",)).get("buyer.tax_id")
    return fields | {"buyer": {"name": form["buyer.name"][0], "tax_id": tax_id}}
