"""Status documents as they change, pushed to whoever listens. Source: HTML standard, server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any

import structlog
from aiokafka import TopicPartition
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from events.topics import STATUS_TOPIC
from events.values import AccountId
from transport.clients.kafka import KafkaConsumer
from transport.records import ConsumerRecord
from web.http.parameters import QueryRoute
from web.http.problems import Problem, ProblemDocument
from web.live.tail import Tail

log = structlog.get_logger(__name__)

PATH = "/stream"
KEPT_BYTES = 32 << 20
"""Bytes of documents kept for those who come back, and for clients that are slow: nothing else holds a document."""
EACH = 600
"""Bytes that a kept document takes beside its own."""
KEPT_FOR = timedelta(minutes=10)
"""How far back the newest documents are read when the api starts."""
WAITING = 1000
"""Documents that may wait for a slow client before it is dropped; it comes back with the id of the last it got."""
MOST_CLIENTS = 2000
MOST_OF_ONE_ADDRESS = 500
"""Clients of one address: whoever opens them without end leaves places to others."""
HEARTBEAT = 15
"""Seconds between two comments that keep a connection alive."""
SEND_WITHIN = 10
"""Seconds that one event may take to be sent."""
A_MOMENT = 2.0
"""Seconds by which the read models may be behind each other when a page is read."""
RETRY = 2000
"""Milliseconds after which a client that lost its connection comes back."""


class StreamQuery(BaseModel):
    """Whose invoices."""

    model_config = ConfigDict(extra="forbid")

    account_id: AccountId | None = None
    last_event_id: Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")] | None = None
    """As the header, for a browser's first connection, which cannot set one."""


@dataclass(frozen=True, slots=True)
class Change:
    """A status document, where it stands on the topic, and the id under which a client may go on after it."""

    partition: int
    offset: int
    account_id: str
    document: bytes
    id: str
    heard: float
    """Seconds, of a clock that only this process knows."""

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.document) + len(self.id) + EACH


@dataclass(eq=False)
class Client:
    """One listener. lost: it missed more than can be told. dropped: it was too slow, or the api stops.

    changes: the numbers under which the hub keeps what concerns it.
    """

    account_id: str | None
    address: str
    lost: bool = False
    changes: asyncio.Queue[int | None] = field(default_factory=lambda: asyncio.Queue(WAITING))
    dropped: bool = False

    def offer(self, number: int, change: Change) -> None:
        """Give it a change that concerns it; drop it when it has too many unsent."""
        if self.account_id not in (None, change.account_id) or self.dropped:
            return
        try:
            self.changes.put_nowait(number)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """End it, after what is being sent."""
        self.dropped = True
        while not self.changes.empty():
            self.changes.get_nowait()
        self.changes.put_nowait(None)


class Hub:
    """Reads the topic of status documents once, and hands each to all who listen."""

    def __init__(self, bootstrap: str) -> None:
        self.tail = Tail(bootstrap, STATUS_TOPIC, self._take, self._begin)
        self._kept: dict[int, Change] = {}  # in the order in which they came
        self._bytes = 0
        self._count = 0
        self._since: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._clients: set[Client] = set()

    async def run(self) -> None:
        """Read until cancelled."""
        await self.tail.run()

    def close(self) -> None:
        """Send every client away."""
        for client in self._clients:
            client.drop()

    def join(self, account_id: str | None, last_id: str | None, address: str) -> Client:
        """Add a client, with what it missed since the id it has. Raises: Problem."""
        of_one = sum(client.address == address for client in self._clients)
        if len(self._clients) >= MOST_CLIENTS or of_one >= MOST_OF_ONE_ADDRESS:
            detail = "There are as many listeners as this process serves, or as it serves of one address; try later."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "TOO_MANY_LISTENERS", detail)
        missed = self._missed(account_id, last_id) if last_id else ()
        client = Client(account_id, address, lost=missed is None)
        for number in missed or ():
            client.offer(number, self._kept[number])
        self._clients.add(client)
        return client

    async def changes(self, client: Client) -> AsyncIterator[Change]:
        """Yield what concerns a client as it comes, until it is dropped or has fallen behind what is kept."""
        while (number := await client.changes.get()) is not None and not client.dropped:
            if (change := self._kept.get(number)) is None:
                return
            yield change

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def knows_all_since(self, last_id: str) -> bool:
        """Tell whether nothing that came after an id is forgotten."""
        told = _positions(last_id)
        return told is not None and all(self._since.get(partition, 0) <= offset for partition, offset in told.items())

    def _missed(self, account_id: str | None, last_id: str) -> list[int] | None:
        """Return what a client has not had; None when that is forgotten, or more than may wait for it."""
        if not self.knows_all_since(last_id):
            return None
        told = _positions(last_id) or {}
        missed = [
            number
            for number, change in self._kept.items()
            if change.offset >= told.get(change.partition, 0) and account_id in (None, change.account_id)
        ]
        return missed if len(missed) <= WAITING else None

    @property
    def here(self) -> str | None:
        """The id under which a client may go on after all that has come so far."""
        return _id(self._next) if self._next else None

    @property
    def a_moment_ago(self) -> str | None:
        """The id from which a page goes on whose rows were read just now, by read models that may be a little behind.

        The page passes over what it shows already. Within `A_MOMENT`, and not more than half of what may wait.
        """
        since, positions = time.monotonic() - A_MOMENT, dict(self._next)
        for change in islice(reversed(self._kept.values()), WAITING // 2):
            if change.heard < since:
                break
            positions[change.partition] = change.offset
        return _id(positions) if positions else None

    async def _begin(self, consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        """Begin with the last minutes, for clients that come back to an api that was restarted."""
        moment = int((datetime.now(UTC) - KEPT_FOR).timestamp() * 1000)
        await consumer.seek_to_end(*partitions)
        for partition, found in (await consumer.offsets_for_times(dict.fromkeys(partitions, moment))).items():
            if found is not None:
                consumer.seek(partition, found.offset)
        self._since = {partition.partition: await consumer.position(partition) for partition in partitions}
        self._next = dict(self._since)

    def _take(self, record: ConsumerRecord) -> None:
        if record.value is None:
            return
        self._next[record.partition] = record.offset + 1
        try:
            account_id = str(json.loads(record.value)["account_id"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            log.warning("not_a_status_document", partition=record.partition, offset=record.offset, error=repr(error))
            return
        change = Change(
            record.partition,
            record.offset,
            account_id,
            record.value,
            _id(self._next),
            time.monotonic(),
        )
        self._keep(change)
        for client in list(self._clients):
            client.offer(self._count, change)

    def _keep(self, change: Change) -> None:
        self._count += 1
        self._kept[self._count] = change
        self._bytes += change.size
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            forgotten = self._kept.pop(next(iter(self._kept)))
            self._bytes -= forgotten.size
            self._since[forgotten.partition] = forgotten.offset + 1


def _id(positions: dict[int, int]) -> str:
    """Write where every partition stands: exact, whatever the order in which partitions are read."""
    return "-".join(f"{partition}.{offset}" for partition, offset in sorted(positions.items()))


def _positions(id_: str) -> dict[int, int] | None:
    """Read it back; None for what is no such id."""
    try:
        pairs = [part.split(".") for part in id_.split("-")]
        return {int(partition): int(offset) for partition, offset in pairs}
    except ValueError:
        return None


def router(hub: Hub) -> APIRouter:
    """Return the stream."""
    routes = APIRouter(tags=["stream"], route_class=QueryRoute)
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {}}, "description": "Events of type status; data is a status document"},
        422: {"model": ProblemDocument, "description": "MALFORMED_QUERY"},
        503: {"model": ProblemDocument, "description": "TOO_MANY_LISTENERS"},
    }

    @routes.get(PATH, responses=responses, response_class=EventSourceResponse)
    async def stream(
        request: Request, query: Annotated[StreamQuery, Query()], last_event_id: Annotated[str | None, Header()] = None
    ) -> EventSourceResponse:
        """Push status documents as they change. With Last-Event-ID it goes on after that one.

        An event of type reset says that too much has happened since: query what is shown, and go on from there.
        """
        last_id = last_event_id or query.last_event_id
        here = None if last_id else hub.here
        client = hub.join(query.account_id, last_id, request.client.host if request.client else "")
        return _Stream(hub, client, here)

    return routes


class _Stream(EventSourceResponse):
    """What a client is sent. Its place is free again when it is gone, also if it went before the first event."""

    def __init__(self, hub: Hub, client: Client, here: str | None) -> None:
        super().__init__(_events(hub, client, here), ping=HEARTBEAT, send_timeout=SEND_WITHIN)
        self._leave = partial(hub.leave, client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


async def _events(hub: Hub, client: Client, here: str | None) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="listening", id=here, retry=RETRY)
    if client.lost:
        yield ServerSentEvent(event="reset", data="{}")
    async for change in hub.changes(client):
        yield ServerSentEvent(event="status", id=change.id, data=change.document.decode())
