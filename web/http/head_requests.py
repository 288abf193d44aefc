"""HEAD is GET without a body (RFC 9110, 9.3.2); the framework offers it on none of its routes."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadAsGet:
    """Lets the app answer HEAD as it does GET; the server, which saw the method itself, leaves the body out.

    endless: the path of a stream. HEAD is not answered there: the next request on the connection would wait for ever.
    """

    def __init__(self, app: ASGIApp, endless: str) -> None:
        self._app = app
        self._endless = endless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and scope["path"] != self._endless:
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
