"""HEAD is GET without a body (RFC 9110, 9.3.2); the framework offers it on none of its routes."""

from starlette.types import ASGIApp, Receive, Scope, Send

from projections.api import stream


class HeadAsGet:
    """Lets the app answer HEAD as it does GET; the server, which saw the method itself, leaves the body out.

    Not on the stream, which has no end: what a caller asks next on the same connection would wait for that.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and scope["path"] != stream.PATH:
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
