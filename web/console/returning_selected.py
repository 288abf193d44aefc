"""Several invoices are returned together: those by the simple route at once, each with a command of its own."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import psycopg
import structlog
from fastapi import APIRouter, Request, Response

from events.commands import RequestReturn
from events.values import Route
from projections.invoices import queries as invoices
from projections.invoices.queries import Line
from web.console import html_forms
from web.console.error_pages import problems_as_pages
from web.console.html_forms import Filled, SentForm
from web.console.invoices import VERSION_WAIT_SECONDS
from web.console.rendering import Pages
from web.console.returning import return_route
from web.gateway.command_publisher import CommandPublisher
from web.gateway.commands import Underway, command_of, key_faults, malformed, publish, trace_of
from web.gateway.returns import MAX_ITEMS
from web.http.identity import AsCaller, Caller
from web.http.min_version import LONGEST_PAUSE
from web.http.problems import Problem
from web.http.reading import Reader

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Selection:
    """Invoices by what their return takes: nothing, a form, or a posting status first; or it cannot be returned now."""

    simple: list[Line] = field(default_factory=list[Line])
    form: list[Line] = field(default_factory=list[Line])
    unknown: list[Line] = field(default_factory=list[Line])
    ended: list[Line] = field(default_factory=list[Line])

    def add(self, line: Line, general_recorded_route: Route) -> None:
        """Put an invoice where it belongs."""
        if "return" not in line.status.actions:
            self.ended.append(line)
            return
        route = return_route(line, general_recorded_route)
        {"simple": self.simple, "form": self.form, None: self.unknown}[route].append(line)


@dataclass(frozen=True, slots=True)
class SelectedOutcome:
    """What became of the return of one invoice.

    code: of its refusal, or why it is not decided yet. version: of the invoice with the return, if it was accepted.
    """

    line: Line
    code: str | None = None
    version: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the return is under way."""
        return self.code is None


def router(pages: Pages, reader: Reader, publisher: CommandPublisher, general_recorded_route: Route) -> APIRouter:
    """Return the dialog for several invoices, and what it sends."""
    routes = APIRouter(include_in_schema=False, route_class=problems_as_pages(pages))

    @routes.get("/return-selected")
    async def dialog(request: Request, caller: AsCaller) -> Response:
        selection = Selection()
        for line in await _lines(reader, caller, request.query_params.getlist("number")):
            selection.add(line, general_recorded_route)
        return _show(pages, request, selection, html_forms.opened(request))

    @routes.post("/return-selected")
    async def send(request: Request, caller: AsCaller) -> Response:
        form = await html_forms.read(request)
        key = html_forms.form_key(form)
        if faults := key_faults("key", key):
            raise malformed(faults)  # else every batch without a key would publish under the same ids

        async def outcome(line: Line, posting_status: str) -> SelectedOutcome:
            number = line.status.invoice_number
            own_key = f"{key}:{number}"
            body = {**_body(form, posting_status), "account_id": line.status.account_id, "invoice_number": number}
            try:
                command = command_of(RequestReturn, body, key_faults("key", own_key))
                reply = await publish(publisher, caller, command, own_key, trace_of(request))
            except Problem as problem:
                return SelectedOutcome(line, html_forms.first_fault(problem))
            if isinstance(reply, Underway):
                return SelectedOutcome(line, html_forms.NOT_ANSWERED_YET)
            return SelectedOutcome(line, version=reply["invoice_version"])

        postings = dict(zip(form.get("number", ()), form.get("posting_status", ()), strict=False))
        lines = await _lines(reader, caller, list(postings))
        selection = Selection()
        for line in await _lines(reader, caller, form.get("beside", ())):
            selection.add(line, general_recorded_route)
        outcomes = await asyncio.gather(*(outcome(line, postings[line.status.invoice_number]) for line in lines))
        again = replace(selection, simple=[one.line for one in outcomes if one.code in html_forms.UNDECIDED])
        return _show(pages, request, again, html_forms.sent_again(form), await _read_back(reader, outcomes), postings)

    return routes


def _show(  # noqa: PLR0913, PLR0917 - what the template shows
    pages: Pages,
    request: Request,
    selection: Selection,
    filled: Filled,
    outcomes: Sequence[SelectedOutcome] = (),
    postings: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    return pages.show(
        request,
        "return_selected.html",
        simple=selection.simple,
        form=selection.form,
        unknown=selection.unknown,
        ended=selection.ended,
        filled=filled,
        outcomes=outcomes,
        postings=postings,
    )


async def _lines(reader: Reader, caller: Caller, numbers: Sequence[str]) -> list[Line]:
    """Return the lines of a caller's invoices, each once and in this order, of as many as one request may return."""
    wanted = list(dict.fromkeys(numbers))[:MAX_ITEMS]
    found = await reader.read(lambda connection: invoices.lines_of(connection, wanted))
    return [found[one] for one in wanted if one in found and caller.sees(found[one].status.account_id)]


async def _read_back(reader: Reader, outcomes: Sequence[SelectedOutcome]) -> Sequence[SelectedOutcome]:
    """Return the outcomes with the lines of accepted returns as they are by now, if they can be read soon."""
    versions = {one.line.status.invoice_number: one.version for one in outcomes if one.accepted}
    lines: Mapping[str, Line] = {}
    end = time.monotonic() + VERSION_WAIT_SECONDS
    try:
        while True:
            lines = await reader.read(lambda connection: invoices.lines_of(connection, list(versions)))
            shown = all(one in lines and lines[one].status.version >= versions[one] for one in versions)
            if shown or time.monotonic() > end:
                break
            await asyncio.sleep(LONGEST_PAUSE)
    except (TimeoutError, psycopg.Error) as error:  # they are accepted all the same
        log.warning("read_tables_unavailable", error=repr(error))
    return [replace(one, line=lines.get(one.line.status.invoice_number, one.line)) for one in outcomes]


def _body(form: SentForm, posting_status: str) -> dict[str, Any]:
    return {**html_forms.filled_in(form, ("reason", "remarks")), "posting_status": posting_status}
