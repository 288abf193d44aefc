"""Who asks, found once for every request, before any route sees it. What is not listed here is for operators alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs

import structlog
from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, StrictStr, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from events.values import RequestedBy
from projections.answers import Accounts, includes
from web.http.issuer_keys import Issuer, IssuerUnavailable
from web.http.problems import Problem
from web.http.tokens import TokenRefused, Tokens, wrong_claim

log = structlog.get_logger(__name__)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
OPERATOR = "operator"
"""The role that sees how the system is doing, and the history of every invoice."""
ALL_ACCOUNTS = "*"
"""In place of an account: every account there is."""
OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""For whatever watches the process: they say nothing of any invoice."""
CALLERS_FOLDERS = frozenset(
    {
        *("invoices", "charges", "red-font-forms", "returns", "commands", "stream"),
        *("asyncapi", "asyncapi.json", "schemas"),
        *("", "rows", "details", "return", "reissue", "issue", "state", "static"),
    }
)
"""First parts of the paths that are for every caller, within their accounts: queries and commands, messages, pages."""
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_FROM_ELSEWHERE = {"cross-site", "same-site"}
"""What a browser says of a request that a page of another origin makes. Source: W3C, Fetch Metadata."""
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_CHALLENGE = 'Bearer realm="redletter"'


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask. hosts: the names of this api in addresses. issuer: of the callers' tokens; None asks for none."""

    hosts: frozenset[str] = LOOPBACK_NAMES
    issuer: Issuer | None = None


ANYBODY_HERE = Access()
"""Everybody on this machine."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    subject: who that is, for the issuer. accounts: whose invoices they see and return. expires_at: when they must have
    another token, in seconds of the epoch. Where nobody is asked for a token, every caller is `ANYBODY`.
    """

    subject: str | None
    accounts: Accounts
    operator: bool
    expires_at: float | None = None

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


def caller_of(request: Request) -> Caller:
    """Return who asks."""
    return request.state.caller


AsCaller = Annotated[Caller, Depends(caller_of)]
"""A parameter of a route: who asks."""


class Identified:
    """Passes a request on together with its caller, or answers it: it is meant for another host, or has no right."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._hosts = access.hosts
        self._tokens = Tokens(access.issuer) if access.issuer else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                await self._identify(request)
            except NotLetIn as problem:
                log.info("request_not_let_in", path=scope["path"], code=problem.code, reason=problem.detail)
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _identify(self, request: Request) -> None:
        """Note who asks. Raises: NotLetIn."""
        if _host(request) not in self._hosts:
            raise _other_host()
        if request.method not in _SAFE_METHODS and request.headers.get("sec-fetch-site") in _FROM_ELSEWHERE:
            raise _from_elsewhere()
        path: str = request.scope["path"]
        if path in OPEN_PATHS:
            return
        caller = await _bearer(self._tokens, request) if self._tokens else ANYBODY
        if not caller.operator and path.removeprefix("/").partition("/")[0] not in CALLERS_FOLDERS:
            raise _for_operators()
        request.state.caller = caller


class NotLetIn(Problem):
    """A request that no route sees. challenge: what the client must bring. Source: RFC 6750, section 3."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, challenge: str | None = None) -> None:
        super().__init__(status, code, detail)
        self._headers = {"WWW-Authenticate": challenge} if challenge else {}

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """Return the answer."""
        return super().response({**self._headers, **(headers or {})})


class _Claims(BaseModel):
    """What is read of a token."""

    sub: RequestedBy
    exp: float
    redletter_accounts: list[StrictStr] = []
    redletter_roles: list[StrictStr] = []


async def _bearer(tokens: Tokens, request: Request) -> Caller:
    """Return who bears the token of a request. Raises: NotLetIn."""
    try:
        claims = _Claims.model_validate(await tokens.claims(_token(request)))
    except TokenRefused as error:
        raise _refused(str(error)) from None
    except ValidationError as error:
        raise _refused(wrong_claim(str(error.errors()[0]["loc"][0]))) from None
    except IssuerUnavailable:
        detail = "The keys of the token's issuer cannot be fetched right now; try again."
        raise NotLetIn(HTTPStatus.SERVICE_UNAVAILABLE, "ISSUER_UNAVAILABLE", detail) from None
    accounts = None if ALL_ACCOUNTS in claims.redletter_accounts else frozenset(claims.redletter_accounts)
    return Caller(claims.sub, accounts, OPERATOR in claims.redletter_roles, claims.exp)


def _token(request: Request) -> str:
    """Return the token, which is in the header and nowhere else. Raises: NotLetIn."""
    if "access_token" in parse_qs(request.url.query, keep_blank_values=True):
        raise _refused("A token in an address ends up in logs; send it in the header Authorization.")
    given = request.headers.getlist("authorization")
    if not given:
        detail = "Send an access token: Authorization: Bearer <token>."
        raise NotLetIn(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", detail, _CHALLENGE)
    found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        raise _refused("The header Authorization must be: Bearer <token>.")
    return found[1]


def _host(request: Request) -> str:
    """Return the host that a request is meant for, without its port."""
    given = request.headers.get("host", "").lower()
    return re.sub(r":[0-9]*$", "", given).removesuffix(".")


def _other_host() -> NotLetIn:
    detail = "This api does not answer for the host in the address; REDLETTER_API_HOSTS lists those that it does."
    return NotLetIn(HTTPStatus.MISDIRECTED_REQUEST, "HOST_NOT_SERVED", detail)


def _from_elsewhere() -> NotLetIn:
    detail = "A page of another site sent this; commands are taken from our own pages, and from programs."
    return NotLetIn(HTTPStatus.FORBIDDEN, "CROSS_SITE_REQUEST", detail)


def _refused(reason: str) -> NotLetIn:
    challenge = f'{_CHALLENGE}, error="invalid_token", error_description="{reason}"'
    return NotLetIn(HTTPStatus.UNAUTHORIZED, "UNAUTHENTICATED", reason, challenge)


def _for_operators() -> NotLetIn:
    detail = f"This is for operators: the claim redletter_roles of the token must hold {OPERATOR}."
    return NotLetIn(HTTPStatus.FORBIDDEN, "OPERATORS_ONLY", detail, f'{_CHALLENGE}, error="insufficient_scope"')
