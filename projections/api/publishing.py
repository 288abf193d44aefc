"""Commands that come over HTTP, published as any other service would, and the replies to them."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.replies import reply_id
from events.topics import REPLIES
from projections.api.tail import Record, Tail

log = structlog.get_logger(__name__)

READY_WITHIN = 5.0
"""Seconds to wait for Kafka before a command is turned away."""
REPLY_WITHIN = 10.0
"""Seconds to wait for a reply."""
KEPT = 10_000
"""Replies kept for a publisher that hears of its own record's place only afterwards."""

Reply = dict[str, Any]


class Unavailable(Exception):
    """Kafka cannot be reached: nothing was published, as far as is known."""


class Publisher:
    """Publishes commands, and waits for what is replied to each."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._replies: OrderedDict[str, Reply] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._tail = Tail(bootstrap, REPLIES, self._hear)

    async def run(self) -> None:
        """Hear replies until cancelled."""
        try:
            await self._tail.run()
        finally:
            if self._producer:
                await self._producer.stop()

    async def tell(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Reply | None:
        """Publish a command and return its reply, or None when it takes longer than `REPLY_WITHIN`.

        Raises: Unavailable.
        """
        id_ = await self._publish(topic, key, value, headers)
        if (reply := self._replies.get(id_)) is not None:
            return reply
        future = self._waiting[id_] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(future, REPLY_WITHIN)
        except TimeoutError:
            return None
        finally:
            del self._waiting[id_]

    async def _publish(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> str:
        """Publish, and return the id that the reply will have."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                await self._tail.reading.wait()  # or the reply might pass unheard
                producer = await self._started()
            place = await asyncio.wait_for(
                producer.send_and_wait(topic, value, key=key, headers=list(headers)), REPLY_WITHIN
            )
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("a command could not be published", topic=topic, error=repr(error))
            raise Unavailable from error
        return reply_id(place.topic, place.partition, place.offset)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                servers: Any = self._bootstrap.split(",")
                producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
                await producer.start()
                self._producer = producer
            return self._producer

    def _hear(self, record: Record) -> None:
        id_ = dict(record.headers).get("ce_id", b"").decode(errors="replace")
        reply: Reply = json.loads(record.value or b"{}")
        self._replies[id_] = reply
        if len(self._replies) > KEPT:
            self._replies.popitem(last=False)
        if (future := self._waiting.get(id_)) is not None and not future.done():
            future.set_result(reply)
