"""HEAD is GET without a body (RFC 9110, 9.3.2), on every path; the framework offers it on none of its routes."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadAsGet:
    """Lets the app answer HEAD as it does GET; the server, which saw the method itself, leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
