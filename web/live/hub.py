"""The hub of status documents: reads the topic once, keeps the newest, and hands each to every client concerned."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import islice

import structlog
from aiokafka import TopicPartition

from events.topics import STATUS_TOPIC
from projections.answers import Accounts, includes
from transport.clients.kafka import KafkaConsumer
from transport.records import ConsumerRecord
from web.http.problems import Problem
from web.live import event_ids
from web.live.tail import Tail

log = structlog.get_logger(__name__)

KEPT_BYTES = 32 << 20
"""Bytes of documents kept for clients that reconnect or are slow: a document is stored nowhere else here."""
KEPT_OVERHEAD_BYTES = 600
"""Bytes that a kept document takes besides its own."""
_KEPT_FOR = timedelta(minutes=10)
"""How far back documents are read when the api starts."""
MAX_WAITING = 1000
"""Documents that may wait for a slow client before it is dropped; it reconnects with the id of the last it received."""
MAX_CLIENTS = 2000
MAX_CLIENTS_OF_ONE_PARTY = 500
"""So that one that opens connections without end leaves places for others."""
_MAX_READ_MODEL_LAG_SECONDS = 2.0
"""How far the read models may be behind each other when a page is read."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A status document, where it is on the topic, and the id with which a client continues after it."""

    partition: int
    offset: int
    account_id: str
    document: bytes
    id: str
    heard: float
    """In seconds of the monotonic clock."""

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(self.document) + len(self.id) + KEPT_OVERHEAD_BYTES


@dataclass(eq=False)
class Client:
    """One listener. lost: it missed more than is kept. dropped: it was too slow, or the api stops.

    party: whose it is, as far as that is known: the subject of a token, or an address.
    changes: the numbers under which the hub keeps what concerns it.
    """

    accounts: Accounts
    party: str
    lost: bool = False
    changes: asyncio.Queue[int | None] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    dropped: bool = False

    def offer(self, number: int, change: StatusChange) -> None:
        """Queue a change if it concerns the client; drop the client if too many are unsent."""
        if not includes(self.accounts, change.account_id) or self.dropped:
            return
        try:
            self.changes.put_nowait(number)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """End the stream after what is being sent."""
        self.dropped = True
        while not self.changes.empty():
            self.changes.get_nowait()
        self.changes.put_nowait(None)


class Hub:
    """Reads the topic of status documents once, and hands each document to every client concerned."""

    def __init__(self, bootstrap: str) -> None:
        self.tail = Tail(bootstrap, STATUS_TOPIC, self._take, self._begin)
        self._kept: dict[int, StatusChange] = {}  # in the order in which they came
        self._bytes = 0
        self._count = 0
        self._since: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._clients: set[Client] = set()

    async def run(self) -> None:
        """Read until cancelled."""
        await self.tail.run()

    def close(self) -> None:
        """End the stream of every client."""
        for client in self._clients:
            client.drop()

    def join(self, accounts: Accounts, last_id: str | None, party: str) -> Client:
        """Add a client, with what it missed since the id it has. Raises: Problem."""
        of_one = sum(client.party == party for client in self._clients)
        if len(self._clients) >= MAX_CLIENTS or of_one >= MAX_CLIENTS_OF_ONE_PARTY:
            raise too_many_listeners()
        missed = self._missed(accounts, last_id) if last_id else ()
        client = Client(accounts, party, lost=missed is None)
        for number in missed or ():
            client.offer(number, self._kept[number])
        self._clients.add(client)
        return client

    async def changes(self, client: Client) -> AsyncIterator[StatusChange]:
        """Yield what concerns a client as it comes, until it is dropped or has fallen behind what is kept."""
        while (number := await client.changes.get()) is not None and not client.dropped:
            if (change := self._kept.get(number)) is None:
                return
            yield change

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def knows_all_since(self, last_id: str) -> bool:
        """Return whether everything that came after an id is still kept."""
        since = event_ids.read(last_id)
        return since is not None and all(self._since.get(partition, 0) <= offset for partition, offset in since.items())

    def _missed(self, accounts: Accounts, last_id: str) -> list[int] | None:
        """Return what a client has missed; None if that is no longer kept, or more than may wait for it."""
        if not self.knows_all_since(last_id):
            return None
        since = event_ids.read(last_id) or {}
        missed = [
            number
            for number, change in self._kept.items()
            if change.offset >= since.get(change.partition, 0) and includes(accounts, change.account_id)
        ]
        return missed if len(missed) <= MAX_WAITING else None

    @property
    def here(self) -> str | None:
        """The id with which a client continues after everything that has come so far."""
        return event_ids.write(self._next) if self._next else None

    @property
    def a_moment_ago(self) -> str | None:
        """The id with which a page continues whose rows were read just now, from read models a little behind.

        The page ignores what it shows already. At most `_MAX_READ_MODEL_LAG_SECONDS` back, and half of `MAX_WAITING`.
        """
        since, positions = time.monotonic() - _MAX_READ_MODEL_LAG_SECONDS, dict(self._next)
        for change in islice(reversed(self._kept.values()), MAX_WAITING // 2):
            if change.heard < since:
                break
            positions[change.partition] = change.offset
        return event_ids.write(positions) if positions else None

    async def _begin(self, consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        """Begin a few minutes back, for clients that reconnect to a restarted api."""
        moment = int((datetime.now(UTC) - _KEPT_FOR).timestamp() * 1000)
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
        change = StatusChange(
            record.partition,
            record.offset,
            account_id,
            record.value,
            event_ids.write(self._next),
            time.monotonic(),
        )
        self._keep(change)
        for client in list(self._clients):
            client.offer(self._count, change)

    def _keep(self, change: StatusChange) -> None:
        self._count += 1
        self._kept[self._count] = change
        self._bytes += change.size
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            forgotten = self._kept.pop(next(iter(self._kept)))
            self._bytes -= forgotten.size
            self._since[forgotten.partition] = forgotten.offset + 1


def too_many_listeners() -> Problem:
    """Return the answer to whom the hub cannot serve as well."""
    detail = "Too many listeners, in all or of yours; try again later."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "TOO_MANY_LISTENERS", detail)
