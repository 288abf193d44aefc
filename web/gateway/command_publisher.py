"""Publishes the commands that come over HTTP, as any other service would, and waits for their replies."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from events.replies import reply_id
from events.topics import REPLIES_TOPIC
from transport.records import ConsumerRecord
from web.gateway.kafka_producers import READY_WITHIN, NotHandedOver, Place, Producers, was_refused
from web.live.tail import Tail

log = structlog.get_logger(__name__)

REPLY_WITHIN = 10.0
"""Seconds to wait for a reply once the command is sent to Kafka."""
EARLY_BYTES = 4 << 20
"""Bytes of replies kept for one command until its offset is known."""

Reply = dict[str, Any]


class Unavailable(Exception):
    """The command was not published: it was not sent to Kafka, or Kafka refused it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """No reply came in time. published: Kafka has confirmed the command; otherwise it may or may not be published."""

    published: bool


@dataclass(eq=False, slots=True)
class _Waiting:
    """A command whose reply is awaited.

    reply_id: None until the command's offset is known. early: replies to this and to other commands with the same id,
    since the reply may come before the offset does.
    """

    reply: "asyncio.Future[bytes]"
    reply_id: str | None = None
    early: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def take(self, reply_id: str, value: bytes) -> None:
        if self.reply_id is None:
            if sum(map(len, self.early.values())) + len(value) <= EARLY_BYTES:
                self.early[reply_id] = value
        elif self.reply_id == reply_id and not self.reply.done():
            self.reply.set_result(value)

    def settle(self, reply_id: str) -> None:
        self.reply_id = reply_id
        if (value := self.early.get(reply_id)) is not None:
            self.reply.set_result(value)
        self.early.clear()


class CommandPublisher:
    """Publishes commands and waits for their replies. Replies that nobody waits for are not kept."""

    def __init__(self, bootstrap: str) -> None:
        self._producers = Producers(bootstrap)
        self._waiting: dict[str, set[_Waiting]] = {}
        self.tail = Tail(bootstrap, REPLIES_TOPIC, self._take)

    async def run(self) -> None:
        """Read replies until cancelled."""
        try:
            await self.tail.run()
        finally:
            await self._producers.close()

    async def publish(
        self, topic: str, command_id: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Reply | Pending:
        """Publish a command and return its reply, or `Pending` when that takes longer than `REPLY_WITHIN`.

        Raises: Unavailable.
        """
        waiting = _Waiting(asyncio.get_running_loop().create_future())
        self._waiting.setdefault(command_id, set()).add(waiting)
        try:
            async with asyncio.timeout(READY_WITHIN):
                await self.tail.reading.wait()  # or the reply could be missed
            place = await self._producers.hand_over(topic, key, value, headers)
            return await self._reply(waiting, place)
        except (TimeoutError, NotHandedOver) as error:
            raise Unavailable from error
        finally:
            self._forget(command_id, waiting)

    async def _reply(self, waiting: _Waiting, place: Place) -> Reply | Pending:
        end = asyncio.get_running_loop().time() + REPLY_WITHIN
        await asyncio.wait({place}, timeout=REPLY_WITHIN)
        if not place.done():
            return Pending(published=False)
        if (error := place.exception()) is not None:
            if was_refused(error):
                raise Unavailable from error
            return Pending(published=False)
        waiting.settle(reply_id(place.result().topic, place.result().partition, place.result().offset))
        await asyncio.wait({waiting.reply}, timeout=end - asyncio.get_running_loop().time())
        return json.loads(waiting.reply.result()) if waiting.reply.done() else Pending(published=True)

    def _forget(self, command_id: str, waiting: _Waiting) -> None:
        those = self._waiting[command_id]
        those.discard(waiting)
        if not those:
            del self._waiting[command_id]

    def _take(self, record: ConsumerRecord) -> None:
        headers = dict(record.headers)
        command_id = _text(headers.get("ce_causationid"))
        for waiting in self._waiting.get(command_id, ()):
            waiting.take(_text(headers.get("ce_id")), record.value or b"{}")


def _text(header: bytes | None) -> str:
    return (header or b"").decode(errors="replace")
