"""GET /stream: status documents as they change, as server-sent events. Source: HTML standard, server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from math import inf
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from events.values import AccountId
from web.http.identity import AsCaller
from web.http.parameters import QueryRoute
from web.http.problems import described, malformed_query
from web.live.hub import Client, Hub, too_many_listeners

PATH = "/stream"
_HEARTBEAT_SECONDS = 15
"""Between two comments that keep a connection alive."""
_SEND_SECONDS = 10
"""Time limit for sending one event."""
_RETRY_MILLISECONDS = 2000
"""After which a client that lost its connection reconnects."""


class StreamQuery(BaseModel):
    """Whose invoices."""

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None
    last_event_id: Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")] | None = None
    """Like the header, for the first connection of a browser, which cannot set headers."""


def router(hub: Hub) -> APIRouter:
    """Return the stream."""
    routes = APIRouter(tags=["stream"], route_class=QueryRoute)
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {}}, "description": "Events of type status; data is a status document"},
        **described(malformed_query([{"field": "account", "message": "Extra inputs are not permitted"}])),
        **described(too_many_listeners()),
    }

    @routes.get(PATH, responses=responses, response_class=EventSourceResponse)
    async def stream(
        request: Request,
        caller: AsCaller,
        query: Annotated[StreamQuery, Query()],
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        """Push status documents as they change. With Last-Event-ID, continue after that event.

        An event of type reset means that too much was missed: query again, and continue from there. The stream ends
        when the caller's token expires.
        """
        last_id = last_event_id or query.last_event_id
        here = None if last_id else hub.here
        party = caller.subject or (request.client.host if request.client else "")
        client = hub.join(caller.asking_for(query.account_id), last_id, party)
        return _Stream(hub, client, here, caller.expires_at)

    return routes


class _Stream(EventSourceResponse):
    """The stream of one client. The client leaves the hub when it disconnects, even before the first event."""

    def __init__(self, hub: Hub, client: Client, here: str | None, ends_at: float | None) -> None:
        super().__init__(_events(hub, client, here), ping=_HEARTBEAT_SECONDS, send_timeout=_SEND_SECONDS)
        self._leave = partial(hub.leave, client)
        self._drop = client.drop
        self._ends_at = inf if ends_at is None else ends_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        end = asyncio.get_running_loop().call_later(self._ends_at - time.time(), self._drop)
        try:
            await super().__call__(scope, receive, send)
        finally:
            end.cancel()
            self._leave()


async def _events(hub: Hub, client: Client, here: str | None) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="listening", id=here, retry=_RETRY_MILLISECONDS)
    if client.lost:
        yield ServerSentEvent(event="reset", data="{}")
    async for change in hub.changes(client):
        yield ServerSentEvent(event="status", id=change.id, data=change.document.decode())
