"""Who asks, found once for every request, before any route sees it. What is not listed here is for operators alone."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated
from urllib.parse import parse_qs

import structlog
from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from psycopg.errors import InvalidSchemaName, UndefinedTable
from starlette.types import ASGIApp, Receive, Scope, Send

from projections.answers import Accounts, includes
from web.http.hosts import LOOPBACK_NAMES, host_of
from web.http.issuer_documents import Issuer, IssuerUnavailable
from web.http.login_flow import PageClient
from web.http.problems import Problem, read_models_unavailable
from web.http.rate_limit import RateLimit
from web.http.sessions import Sessions
from web.http.time_limits import within
from web.http.tokens import OPERATOR, CallerClaims, TokenRefused, Tokens, claims_of

log = structlog.get_logger(__name__)

OPEN_FOLDERS = frozenset({"livez", "readyz", "login", "logout", "logged-out", "static"})
"""First parts of the paths that are for anybody: for whatever watches the process, for who wants to log in, and the
looks of the pages. They say nothing of any invoice."""
_MORE_FOR_OPERATORS = "readyz"
"""The one of them that tells operators more, and so has a caller."""
_KNOWN_WITHIN = 1.0
"""Seconds to find out who asks for it; it must be answered in time whatever is down."""
CALLERS_FOLDERS = frozenset(
    {
        *("invoices", "charges", "red-font-forms", "returns", "commands", "stream"),
        *("asyncapi", "asyncapi.json", "schemas"),
        *("", "invoices.csv", "accounts", "rows", "details", "issue", "state", "static"),
        *("return", "return-selected", "reissue"),
    }
)
"""First parts of the paths that are for every caller, within their accounts: queries and commands, messages, pages."""
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_FROM_ELSEWHERE = {"cross-site", "same-site"}
"""What a browser says of a request that a page of another origin makes. Source: W3C, Fetch Metadata."""
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_SESSION_LOOKED_UP_AFTER = 60
"""Seconds for which a stream goes on after its reader may have logged out."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    hosts: the names of this api in addresses. issuer: of the callers' tokens; None asks for none. client: what the page
    is for the issuer; None lets nobody log in. requests_per_minute: of one caller who says who they are; None counts
    nobody's.
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    issuer: Issuer | None = None
    client: PageClient | None = None
    requests_per_minute: int | None = None


ANYBODY_HERE = Access()
"""Everybody on this machine."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    subject: who that is, for the issuer. accounts: whose invoices they see and return. expires_at: when they must be
    identified anew, in seconds of the epoch. name: of a person who has logged in. Where nobody is asked, every caller
    is `ANYBODY`.
    """

    subject: str | None
    accounts: Accounts
    operator: bool
    expires_at: float | None = None
    name: str | None = None

    def sees(self, account_id: str) -> bool:
        """Return whether invoices of an account exist for this caller."""
        return includes(self.accounts, account_id)

    def asking_for(self, account_id: str | None) -> Accounts:
        """Return the accounts of a query: the one that it names, if this caller may see it, else all of theirs."""
        if account_id is None:
            return self.accounts
        return frozenset({account_id}) if self.sees(account_id) else frozenset()

    def asking_for_history(self, account_id: str | None) -> Accounts:
        """Return the same for a query on history: an operator sees every invoice's."""
        return (replace(self, accounts=None) if self.operator else self).asking_for(account_id)


ANYBODY = Caller(None, None, operator=True)
_STRANGER = Caller(None, frozenset(), operator=False)


def caller_of(request: Request) -> Caller:
    """Return who asks."""
    return request.state.caller


AsCaller = Annotated[Caller, Depends(caller_of)]
"""A parameter of a route: who asks."""


class Identified:
    """Passes a request on together with its caller, or answers it: it is meant for another host, or has no right.

    tokens: None asks nobody who they are. sessions: of people who have logged in. refuse: makes the answer to a request
    that is not let in.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        tokens: Tokens | None,
        sessions: Sessions,
        refuse: "Callable[[Request, NotLetIn], Response]",
    ) -> None:
        self._app = app
        self._hosts = access.hosts
        self._rate_limit = RateLimit(access.requests_per_minute) if access.requests_per_minute else None
        self._tokens = tokens
        self._sessions = sessions
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                await self._identify(request)
            except NotLetIn as problem:
                log.info("request_not_let_in", path=scope["path"], code=problem.code, reason=problem.detail)
                await self._refuse(request, problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _identify(self, request: Request) -> None:
        """Note who asks. Raises: NotLetIn."""
        if host_of(request) not in self._hosts:
            raise _other_host()
        if request.method not in _SAFE_METHODS and _is_from_elsewhere(request):
            raise _from_elsewhere()
        folder = _folder(request.scope["path"])
        if folder == _MORE_FOR_OPERATORS:
            request.state.caller = await self._caller_or_stranger(request)
        if folder in OPEN_FOLDERS:
            return
        request.state.caller = caller = await self._caller(request)
        self._count(caller)
        if not caller.operator and folder not in CALLERS_FOLDERS:
            raise _for_operators()

    def _count(self, caller: Caller) -> None:
        """Refuse whoever has asked too often. Raises: NotLetIn."""
        if self._rate_limit is None or caller.subject is None:
            return
        if seconds := self._rate_limit.seconds_to_wait(caller.subject):
            raise _too_many_requests(seconds)

    async def _caller_or_stranger(self, request: Request) -> Caller:
        try:
            return await within(_KNOWN_WITHIN, self._caller(request))
        except (NotLetIn, TimeoutError):
            return _STRANGER

    async def _caller(self, request: Request) -> Caller:
        """Return who asks. Raises: NotLetIn."""
        if self._tokens is None:
            return ANYBODY
        if "authorization" not in request.headers:
            claims = await _session(self._sessions, request)
            if claims is not None:
                return _caller_with(claims, min(claims.exp, time.time() + _SESSION_LOOKED_UP_AFTER))
        claims = await _bearer(self._tokens, request)
        return _caller_with(claims, claims.exp)


def refusals(method: str, path: str, *, asked: bool) -> "Iterator[NotLetIn]":
    """Yield the answers to requests to a path that are not let in. asked: whether callers must say who they are."""
    folder = _folder(path)
    yield _other_host()
    if method not in _SAFE_METHODS:
        yield _from_elsewhere()
    if asked and folder not in OPEN_FOLDERS:
        yield _unauthenticated()
        yield _too_many_requests(1)
        if folder not in CALLERS_FOLDERS:
            yield _for_operators()


class NotLetIn(Problem):
    """A request that no route sees. headers: of the answer."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(status, code, detail)
        self._headers = headers

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """Return the answer."""
        return super().response({**self._headers, **(headers or {})})


def _caller_with(claims: CallerClaims, until: float) -> Caller:
    return Caller(claims.sub, claims.accounts(), claims.operator(), until, claims.name)


async def _session(sessions: Sessions, request: Request) -> CallerClaims | None:
    """Return the person whose session a request belongs to, if any. Raises: NotLetIn."""
    try:
        return await sessions.of(request)
    except (TimeoutError, OperationalError, UndefinedTable, InvalidSchemaName) as error:
        log.warning("sessions_unavailable", error=repr(error))
        problem = read_models_unavailable()
        raise NotLetIn(problem.status, problem.code, problem.detail) from None


async def _bearer(tokens: Tokens, request: Request) -> CallerClaims:
    """Return what the token of a request says of its bearer. Raises: NotLetIn."""
    try:
        return claims_of(await tokens.claims(_token(request)))
    except TokenRefused as error:
        raise _refused(str(error)) from None
    except IssuerUnavailable:
        detail = "The keys of the token's issuer cannot be fetched right now; try again."
        raise NotLetIn(HTTPStatus.SERVICE_UNAVAILABLE, "ISSUER_UNAVAILABLE", detail) from None


def _token(request: Request) -> str:
    """Return the token, which is in the header and nowhere else. Raises: NotLetIn."""
    if "access_token" in parse_qs(request.url.query, keep_blank_values=True):
        raise _refused("A token in an address ends up in logs; send it in the header Authorization.")
    given = request.headers.getlist("authorization")
    if not given:
        raise _unauthenticated()
    found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        raise _refused("The header Authorization must be: Bearer <token>.")
    return found[1]


def _folder(path: str) -> str:
    """Return the first part of a path."""
    return path.removeprefix("/").partition("/")[0]


def _is_from_elsewhere(request: Request) -> bool:
    """Return whether a page of another origin sent this. Browsers without Fetch Metadata name the origin."""
    origin = request.headers.get("origin")
    return request.headers.get("sec-fetch-site") in _FROM_ELSEWHERE or (
        origin is not None and origin.partition("://")[2] != request.headers.get("host")
    )


def _other_host() -> NotLetIn:
    detail = "This api does not answer for the host in the address; REDLETTER_API_HOSTS lists those that it does."
    return NotLetIn(HTTPStatus.MISDIRECTED_REQUEST, "HOST_NOT_SERVED", detail)


def _from_elsewhere() -> NotLetIn:
    detail = "A page of another site sent this; commands are taken from our own pages, and from programs."
    return NotLetIn(HTTPStatus.FORBIDDEN, "CROSS_SITE_REQUEST", detail)


def _unauthenticated() -> NotLetIn:
    detail = "Send an access token: Authorization: Bearer <token>."
    return NotLetIn(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", detail, _challenge())


def _refused(reason: str) -> NotLetIn:
    challenge = _challenge(error="invalid_token", error_description=reason)
    return NotLetIn(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", reason, challenge)


def _for_operators() -> NotLetIn:
    detail = f"This is for operators: the claim redletter_roles of the token must hold {OPERATOR}."
    return NotLetIn(HTTPStatus.FORBIDDEN, "OPERATORS_ONLY", detail, _challenge(error="insufficient_scope"))


def _challenge(**why: str) -> Mapping[str, str]:
    """Return the header that says what the client must bring. Source: RFC 6750, section 3."""
    said = ", ".join(f'{name}="{value}"' for name, value in {"realm": "redletter", **why}.items())
    return {"WWW-Authenticate": f"Bearer {said}"}


def _too_many_requests(seconds: int) -> NotLetIn:
    """Source: RFC 6585, section 4."""
    detail = "You have made too many requests; the header Retry-After says after how many seconds to continue."
    return NotLetIn(HTTPStatus.TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", detail, {"Retry-After": str(seconds)})
