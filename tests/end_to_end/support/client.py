"""Another service: publishes commands, and hears replies and events."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from events import cloudevents
from events.catalogue import json_of, name_of, read_event, stored_name
from events.commands import AnyCommand
from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC, REPLIES_TOPIC
from tests.support.tasks import running
from transport.clients.kafka import make_consumer
from transport.topics import partition_counts

ANSWERED_WITHIN = 60.0
"""Seconds; the roles may just be starting."""
SOURCE = "urn:tests:whole"


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a command: its reply, and its events as subscribers get them."""

    reply: dict[str, Any]
    events: tuple[AnyInvoiceEvent, ...] = ()

    @property
    def answer(self) -> str:
        """The refusal's code, the event's name, or nothing."""
        return self.reply.get("code") or "+".join(type(event).__name__ for event in self.events)


@dataclass
class Client:
    """One producer, and what one consumer has heard from the beginning."""

    producer: AIOKafkaProducer
    replies: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    events: dict[str, AnyInvoiceEvent] = field(default_factory=dict[str, AnyInvoiceEvent])

    async def submit(self, command: AnyCommand) -> Answered:
        """Publish a command and wait for all that comes of it."""
        return await self.answered(await self.publish(command))

    async def answered(self, id_: str) -> Answered:
        """Wait for all that comes of the command with this id."""
        await self.until(lambda: id_ in self.replies, f"a reply to {id_}")
        (reply,) = self.replies[id_]
        ids = [reference["id"] for reference in reply.get("events", ())]
        await self.until(lambda: all(one in self.events for one in ids), f"the events {ids}")
        return Answered(reply, tuple(self.events[one] for one in ids))

    async def publish(self, command: AnyCommand) -> str:
        """Publish a command; return its id."""
        id_, number = str(uuid4()), command.invoice_number
        headers = cloudevents.headers(
            id=id_,
            source=SOURCE,
            name=name_of(type(command)),
            subject=number,
            time=datetime.now(UTC),
            correlation=id_,
            causation=None,
        )
        await self.producer.send_and_wait(command.CHANNEL.value, json_of(command), key=number.encode(), headers=headers)
        return id_

    def of(self, number: str) -> list[AnyInvoiceEvent]:
        """Return the events of an invoice that have been heard, in order."""
        return [event for event in self.events.values() if event.invoice_number == number]

    async def until(self, condition: Callable[[], bool], wanted: str) -> None:
        """Wait until something has been heard."""
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                while not condition():
                    await asyncio.sleep(0.002)
        except TimeoutError:
            msg = f"{wanted} did not come within {ANSWERED_WITHIN:g} s"
            raise AssertionError(msg) from None

    async def hear(self, consumer: AIOKafkaConsumer) -> None:
        """Listen until cancelled."""
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            if record.topic == REPLIES_TOPIC:
                self.replies.setdefault(headers["ce_causationid"], []).append(json.loads(record.value or b""))
            else:
                self.events[headers["ce_id"]] = read_event(stored_name(headers["ce_type"]), record.value or b"")


@asynccontextmanager
async def connected(bootstrap: str) -> AsyncGenerator[Client]:
    """Connect a client."""
    consumer = make_consumer(bootstrap, "tests", auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    counts = await partition_counts(bootstrap, [REPLIES_TOPIC, EVENTS_TOPIC])
    await producer.start()
    await consumer.start()
    consumer.assign(
        [TopicPartition(topic, one) for topic in (REPLIES_TOPIC, EVENTS_TOPIC) for one in range(counts[topic])]
    )
    client = Client(producer)
    try:
        async with running(client.hear(consumer)):
            yield client
    finally:
        await consumer.stop()
        await producer.stop()
