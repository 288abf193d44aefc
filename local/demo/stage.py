"""The stage of a journey: publishes commands, and follows what they lead to as outside services do."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

from aiokafka import TopicPartition

from events import cloudevents, topics
from events.catalogue import COMMAND_TYPES
from transport.clients.kafka import KafkaConsumer, KafkaProducer, make_consumer, make_producer, read_from_now, running

TIMEOUT_SECONDS = 30.0
"""For a reply, an event or a status."""
_SOURCE = "urn:redletter:demo"
_FOLLOWED = (topics.REPLIES_TOPIC, topics.EVENTS_TOPIC, topics.STATUS_TOPIC)
_CHECK_INTERVAL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Servers:
    """Where a journey is played. api: ``http://host:port``. token: the access token to ask it with, if it wants one."""

    kafka: str
    api: str
    token: str | None = None


class JourneyFailed(Exception):
    """Something differs from what the journey expects; the message says what."""


@dataclass
class Stage:
    """Publishes commands, and collects the replies, events and statuses of the invoices that they are about.

    say: called with each line to show.
    """

    producer: KafkaProducer
    servers: Servers
    say: Callable[[str], None]
    numbers: set[str] = field(default_factory=set[str])
    replies: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    events: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def receive(self, topic: str, id_: str, value: bytes) -> None:
        """Collect a reply, an event or a status document, and show a status that has changed."""
        body = json.loads(value)
        if body.get("invoice_number") not in self.numbers:
            return
        match topic:
            case topics.REPLIES_TOPIC:
                self.replies[body["command_id"]] = body
            case topics.EVENTS_TOPIC:
                self.events[id_] = body
            case _:
                self._receive_status(body)

    def _receive_status(self, body: dict[str, Any]) -> None:
        number, label = body["invoice_number"], body["status"]["label"]
        if self.statuses.get(number, {}).get("status", {}).get("label") != label:
            self.say(f"    {number}  {label}")
        self.statuses[number] = body

    async def send(
        self, who: str, name: str, number: str, *, refused: str | None = None, **body: object
    ) -> dict[str, Any]:
        """Publish a command, await its reply, check it, and return it. refused: the expected refusal code, if any."""
        self.numbers.add(number)
        id_ = str(uuid4())
        stored = f"{name}.v1"
        headers = cloudevents.headers(
            id=id_,
            source=_SOURCE,
            name=stored,
            subject=number,
            time=datetime.now(UTC),
            correlation=id_,
            causation=None,
        )
        value = json.dumps({"invoice_number": number, **body}).encode()
        await self.producer.send_and_wait(
            COMMAND_TYPES[stored].CHANNEL.value, value, key=number.encode(), headers=headers
        )
        await self._until(lambda: id_ in self.replies, f"no reply to {name} of {number} came")
        code = self.replies[id_].get("code")
        self.say(f"  {who}: {name}  ->  {_outcome(code)}")
        if code != refused:
            msg = f"{name} of {number} was {_outcome(code)}; it should have been {_outcome(refused)}"
            raise JourneyFailed(msg)
        return self.replies[id_]

    async def event_of(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Return the one event that an accepted command caused, as subscribers receive it."""
        (reference,) = reply["events"]
        await self._until(lambda: reference["id"] in self.events, f"event {reference['id']} was not published")
        return self.events[reference["id"]]

    async def reaches(self, number: str, status: str, **facts: object) -> None:
        """Wait until an invoice has a status and these facts on the topic, then check them over HTTP."""
        await self._until(
            lambda: self._has(number, status, facts),
            f"{number} did not become {status}" + (f" with {facts}" if facts else ""),
        )
        version = self.statuses[number]["version"]
        path = f"/invoices/{number}/status?min_version={version}&wait=10"
        document = await asyncio.to_thread(_get, self.servers, path)
        actual = {"status": document["status"]["code"], **{name: document.get(name) for name in facts}}
        if actual != {"status": status, **facts}:
            msg = f"{number} is {actual}; it should be {facts | {'status': status}}"
            raise JourneyFailed(msg)

    def _has(self, number: str, status: str, facts: Mapping[str, object]) -> bool:
        document = self.statuses.get(number, {"status": {"code": None}})
        return document["status"]["code"] == status and all(document.get(name) == facts[name] for name in facts)

    async def refused(self, number: str, code: str) -> None:
        """Wait until the tax platform has refused the return of an invoice with this code."""
        await self._until(
            lambda: self.statuses.get(number, {}).get("last_refusal", {}).get("code") == code,
            f"the return of {number} was not refused with {code}",
        )
        self.say(f"    {number}  refused by the tax platform: {code}")
        await self.reaches(number, "issued", return_complete=False)

    async def _until(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                msg = f"{failure} within {TIMEOUT_SECONDS:g} s"
                raise JourneyFailed(msg)
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)


def _outcome(code: str | None) -> str:
    return f"refused, {code}" if code else "accepted"


def _get(servers: Servers, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {servers.token}"} if servers.token else {}
    request = Request(f"{servers.api}{path}", headers=headers)  # noqa: S310 - http, on this machine
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the same
            return json.load(response)
    except HTTPError as error:
        with error:
            msg = f"GET {path} was answered {error.code}: {error.read().decode(errors='replace')}"
            raise JourneyFailed(msg) from None


@asynccontextmanager
async def connected_stage(servers: Servers, say: Callable[[str], None]) -> AsyncGenerator[Stage]:
    """Connect a stage for the length of a block; it receives what is published from now on. Raises: KafkaError."""
    producer = make_producer(servers.kafka, "demo", enable_idempotence=True)
    consumer = make_consumer(servers.kafka, "demo")
    async with running(producer), running(consumer):
        # From the producer: a consumer does not know the partitions of a topic that it has not subscribed to yet.
        numbers = {topic: await producer.partitions_for(topic) for topic in _FOLLOWED}
        await read_from_now(consumer, [TopicPartition(topic, one) for topic, ones in numbers.items() for one in ones])
        stage = Stage(producer, servers, say)
        receiving = asyncio.create_task(_receive(consumer, stage))
        try:
            yield stage
        finally:
            receiving.cancel()


async def _receive(consumer: KafkaConsumer, stage: Stage) -> None:
    async for record in consumer:
        id_ = dict(record.headers).get("ce_id", b"").decode()
        stage.receive(record.topic, id_, record.value or b"{}")
