"""The pages: the list, the details of an invoice, the dialogs, the operations board, and the topics."""

from collections.abc import Callable
from datetime import timedelta

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from events.values import Route
from web.console import board, invoices, login, reissuing, returning, returning_selected, topics
from web.console.error_pages import explain_unknown_addresses
from web.console.rendering import FOLDER, YEAR, pages
from web.console.sampling import Sampler
from web.gateway.command_publisher import CommandPublisher
from web.http.identity import NotLetIn
from web.http.login_flow import LoginFlow
from web.http.reading import Readers
from web.http.sessions import Sessions
from web.live.hub import Hub
from web.operations.readiness import Watch


class _Assets(StaticFiles):
    """Files whose address changes with them: a browser may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
        return response


def install(  # noqa: PLR0913 - what the pages stand on
    app: FastAPI,
    *,
    readers: Readers,
    publisher: CommandPublisher,
    hub: Hub,
    sampler: Sampler,
    clock_shift: timedelta,
    general_recorded_route: Route,
    watch: Watch,
    version: str,
    sessions: Sessions,
    login_flow: LoginFlow | None,
) -> Callable[[Request, NotLetIn], Response]:
    """Let the app serve the pages, and return what answers requests that are not let in.

    version: of the service. login_flow: how readers log in; None lets nobody log in.
    """
    reader = readers.read_models
    shown = pages(lambda: hub.a_moment_ago, clock_shift, watch.calendar)
    app.mount("/static", _Assets(directory=FOLDER / "static"))
    app.include_router(invoices.router(shown, reader))
    app.include_router(returning.router(shown, reader, publisher, general_recorded_route))
    app.include_router(returning_selected.router(shown, reader, publisher, general_recorded_route))
    app.include_router(reissuing.router(shown, reader, publisher))
    app.include_router(board.router(shown, readers, sampler, watch))
    app.include_router(topics.router(shown, version))
    if login_flow:
        app.include_router(login.router(shown, login_flow, sessions))
    explain_unknown_addresses(app, shown)
    return lambda request, problem: login.refused(shown, request, problem, may_log_in=login_flow is not None)
