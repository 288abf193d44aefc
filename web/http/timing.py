"""How long requests take, for Prometheus: from their arrival to the beginning of their answer."""

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from transport.metrics import SECONDS

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
REQUEST_SECONDS = Histogram(
    "redletter_http_request_seconds",
    "Time from a request's arrival to the beginning of its answer, by method, route and status (route - where none was "
    "reached)",
    ["method", "route", "status"],
    buckets=SECONDS,
)


class Timed:
    """Measures every request, also one that is refused before it reaches a route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        arrived = time.monotonic()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "other"
                route = getattr(scope.get("route"), "path", "-")
                REQUEST_SECONDS.labels(method, route, message["status"]).observe(time.monotonic() - arrived)
            await send(message)

        await self._app(scope, receive, send_measured)
