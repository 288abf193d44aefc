"""Logging in and out, for the readers of the pages."""

import re
from http import HTTPStatus
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from web.console.error_pages import problems_as_pages
from web.console.rendering import Pages
from web.http.hosts import origin_of
from web.http.identity import NotLetIn
from web.http.issuer_documents import IssuerUnavailable
from web.http.login_flow import LoginFailed, LoginFlow
from web.http.private_cookies import cookie, cookie_names, drop_cookie, set_cookie
from web.http.problems import Problem
from web.http.sessions import Sessions

log = structlog.get_logger(__name__)

_CALLBACK = "/login/callback"
_WITHIN = 600
"""Seconds for the provider to let somebody in."""
_ON_A_PAGE = {"OPERATORS_ONLY", "READ_MODEL_UNAVAILABLE"}
"""Reasons not to let somebody in that a reader understands."""
_LONGEST_WANTED = 500
"""Characters of the address that a reader came for; a cookie holds it meanwhile."""
_MOST_PENDING = 3
"""Logins that a browser may be in the middle of. A page of another site may begin any number of them, and with too many
cookies every request would be refused."""
_PENDING = re.compile("login-[A-Za-z0-9]{1,8}")


def router(pages: Pages, flow: LoginFlow, sessions: Sessions) -> APIRouter:
    """Return the routes, of which the provider must know ``/login/callback`` and ``/logged-out``."""
    routes = APIRouter(include_in_schema=False, route_class=problems_as_pages(pages))

    @routes.get("/login")
    async def begin(request: Request, wanted: str = "/") -> Response:
        try:
            address, pending = await flow.begin(origin_of(request) + _CALLBACK, _here(wanted))
        except IssuerUnavailable:
            raise _provider_away() from None
        answer = RedirectResponse(address, HTTPStatus.SEE_OTHER)
        begun = [name for name in cookie_names(request) if _PENDING.fullmatch(name)]
        for name in begun[: 1 - _MOST_PENDING]:
            drop_cookie(request, answer, name)
        set_cookie(request, answer, _pending(pending.state), pending.written(), _WITHIN)
        return answer

    @routes.get(_CALLBACK)
    async def come_back(request: Request) -> Response:
        said = dict(request.query_params)
        pending = _pending(said.get("state", ""))
        try:
            person, wanted = await flow.finish(origin_of(request) + _CALLBACK, cookie(request, pending), said)
        except IssuerUnavailable:
            raise _provider_away() from None
        except LoginFailed as error:
            log.warning("login_failed", reason=str(error))
            answer = pages.show(request, "error.html", HTTPStatus.FORBIDDEN, code="LOGIN_FAILED")
            drop_cookie(request, answer, pending)
            return answer
        answer = RedirectResponse(_here(wanted), HTTPStatus.SEE_OTHER)
        await sessions.begin(request, answer, person)
        drop_cookie(request, answer, pending)
        log.info("logged_in", subject=person.sub)
        return answer

    @routes.post("/logout")
    async def end(request: Request) -> Response:
        answer = RedirectResponse("/logged-out", HTTPStatus.SEE_OTHER)
        await sessions.end(request, answer)
        return answer

    @routes.get("/logged-out")
    async def ended(request: Request) -> Response:
        try:
            elsewhere = await flow.end_address(f"{origin_of(request)}/logged-out")
        except IssuerUnavailable:
            elsewhere = None
        return pages.show(request, "logged_out.html", elsewhere=elsewhere)

    return routes


def refused(pages: Pages, request: Request, problem: NotLetIn, *, may_log_in: bool) -> Response:
    """Answer a request that is not let in: whoever looks for a page may log in first, or gets a page that says why."""
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return problem.response()
    if problem.status == HTTPStatus.UNAUTHORIZED and may_log_in:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'wanted': wanted})}", HTTPStatus.SEE_OTHER)
    if problem.code not in _ON_A_PAGE:
        return problem.response()
    return pages.show(request, "error.html", problem.status, code=problem.code)


def _here(wanted: str) -> str:
    """Return an address on this host alone."""
    return "/" + wanted.lstrip("/\\") if len(wanted) <= _LONGEST_WANTED else "/"


def _pending(state: str) -> str:
    """Return the name of the cookie of one login: there may be one in each tab."""
    return f"login-{re.sub('[^A-Za-z0-9]', '', state)[:8]}"


def _provider_away() -> Problem:
    detail = "The provider that logs people in cannot be reached right now; try again."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "ISSUER_UNAVAILABLE", detail)
