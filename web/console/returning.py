"""The return dialog: it asks for what the seed asks for, by the type of the invoice and its posting status."""

from fastapi import APIRouter, Request, Response

from events.commands import RequestReturn
from events.values import Route
from projections.invoices.queries import Line
from rules.route import route_of
from web.console import html_forms
from web.console.error_pages import problems_as_pages
from web.console.html_forms import Filled
from web.console.invoices import MinVersion, line_at_version
from web.console.remarks import obstacle
from web.console.rendering import Pages
from web.gateway.command_publisher import CommandPublisher
from web.http.identity import AsCaller
from web.http.problems import Problem
from web.http.reading import Reader

_FIELDS = ("posting_status", "red_font_form_number", "reason", "remarks")


def router(pages: Pages, reader: Reader, publisher: CommandPublisher, general_recorded_route: Route) -> APIRouter:
    """Return the dialog, and what it sends."""
    routes = APIRouter(include_in_schema=False, route_class=problems_as_pages(pages))

    def show(request: Request, line: Line, filled: Filled) -> Response:
        route = return_route(line, general_recorded_route)
        in_the_way = obstacle(filled.values.get("remarks", ""), line.status.invoice_number)
        return pages.show(request, "return.html", line=line, route=route, filled=filled, in_the_way=in_the_way)

    @routes.get("/return/{number}")
    async def dialog(request: Request, caller: AsCaller, number: str, min_version: MinVersion = 0) -> Response:
        return show(request, await line_at_version(reader, caller, number, min_version), html_forms.opened(request))

    @routes.post("/return/{number}")
    async def send(request: Request, caller: AsCaller, number: str) -> Response:
        form = await html_forms.read(request)
        line = await line_at_version(reader, caller, number)
        fields = html_forms.filled_in(form, _FIELDS)
        try:
            return await html_forms.give_command(request, publisher, caller, RequestReturn, line, fields, form)
        except Problem as problem:
            line = await line_at_version(reader, caller, number, html_forms.version_of(problem))
            return show(request, line, html_forms.refilled(form, problem))

    return routes


def return_route(line: Line, general_recorded_route: Route) -> Route | None:
    """Return the route that the return will take, or None while that cannot be known."""
    kind, posting_status = line.issued.kind, line.status.posting_status
    if kind == "special" and posting_status == "unknown":
        return None
    return route_of(kind, posting_status, general_recorded_route)
