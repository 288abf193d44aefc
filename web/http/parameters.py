"""Query parameters are read alike everywhere: an empty one counts as absent, one given twice is refused."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from fastapi import Request, Response
from fastapi.routing import APIRoute

from web.http.problems import malformed_query

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class QueryRoute(APIRoute):
    """A route whose parameters are read so, before the framework looks at them."""

    REPEATABLE: ClassVar[frozenset[str]] = frozenset()
    """Parameters that hold a list."""
    EMPTY_IS_ABSENT: ClassVar[bool] = True

    def get_route_handler(self) -> Handler:
        """Return what answers a request. It raises: Problem MALFORMED_QUERY."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(self._read(request))

        return handle

    def _read(self, request: Request) -> Request:
        given = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        counts = Counter(name for name, _ in given)
        repeated = [name for name, count in counts.items() if count > 1 and name not in self.REPEATABLE]
        if repeated:
            raise malformed_query([{"field": name, "message": "must be given once"} for name in repeated])
        if not self.EMPTY_IS_ABSENT:
            return request
        present = urlencode([(name, value) for name, value in given if value])
        return Request({**request.scope, "query_string": present.encode()}, request.receive)
