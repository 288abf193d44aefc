"""Cookies that this host alone gets back, over TLS alone, and that no script reads.

Browsers do not send ``__Host-`` cookies over plain HTTP, so that on a loopback address without TLS they have no prefix.
Source: RFC 6265bis, section 4.1.3.2.
"""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from web.http.hosts import is_confidential


def cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie, if the browser sends it."""
    return request.cookies.get(_full(request, name))


def cookie_names(request: Request) -> Iterator[str]:
    """Yield the names of these cookies that the browser sends, as a rule the oldest first."""
    beginning = _full(request, "")
    return (name.removeprefix(beginning) for name in request.cookies if name.startswith(beginning))


def set_cookie(request: Request, answer: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Give the browser a cookie. seconds: how long it is kept; if not given, until the browser is closed."""
    answer.set_cookie(
        _full(request, name),
        value,
        max_age=seconds,
        secure=is_confidential(request),
        httponly=True,
        samesite="lax",  # who follows a link to a page is still logged in
    )


def drop_cookie(request: Request, answer: Response, name: str) -> None:
    """Let the browser forget a cookie, if it sends it."""
    if cookie(request, name) is not None:
        set_cookie(request, answer, name, "", 0)


def _full(request: Request, name: str) -> str:
    return f"__Host-redletter-{name}" if is_confidential(request) else f"redletter-{name}"
