"""The host that a request is meant for, and the origin of our own pages there."""

import re

from starlette.requests import Request

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def host_of(request: Request) -> str:
    """Return the host, without its port."""
    given = request.headers.get("host", "").lower()
    return re.sub(r":[0-9]*$", "", given).removesuffix(".")


def is_confidential(request: Request) -> bool:
    """Return whether the browser sends this over TLS: always, but to this machine.

    Between a proxy with TLS and us there may be none, and the proxy need not say so.
    """
    return host_of(request) not in LOOPBACK_NAMES or request.url.scheme == "https"


def origin_of(request: Request) -> str:
    """Return the origin of our pages, as the browser sees it."""
    return f"{'https' if is_confidential(request) else 'http'}://{request.headers['host']}"
