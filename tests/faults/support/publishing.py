"""Plays the outside services: publishes scripts, waits for each reply, and throws in what cannot be read."""

import asyncio
import random
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.topics import REPLIES_TOPIC, Channel
from tests.faults.support.load import Script, Sent, unreadable
from tests.support.undecodable import publish_undecodable
from transport.clients.kafka import make_consumer

ANSWERED_WITHIN = 240.0
"""Seconds that a reply may take while everything around is being hurt. A partition whose owner is killed waits 10 s for
the next, which may be killed as well, several times in a row; what is lost is lost for ever."""


class Outside:
    """The services that publish commands, and hear the replies."""

    def __init__(self, bootstrap: str, partitions: int, seed: int) -> None:
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._rng = random.Random(seed)  # noqa: S311 - a load, not a secret
        self._heard: dict[str, asyncio.Queue[None]] = {}
        self.sent: list[Sent] = []
        self.undecodable = 0
        self.answered = 0

    async def play(self, scripts: Sequence[Script], *, noise: int = 0, abreast: int = 1000) -> None:
        """Play scripts, so many of them abreast, with ``noise`` rounds of unreadable records among them."""
        self._abreast = asyncio.Semaphore(abreast)
        await self._start_producer()
        try:
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self._listen())
                rounds = [self._noise(script.number) for script in scripts[:noise]]
                await asyncio.gather(*(self._play(script) for script in scripts), *rounds)
                listening.cancel()
        finally:
            await self._producer.stop()

    async def _start_producer(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=2 << 20,
            request_timeout_ms=int(ANSWERED_WITHIN * 1000),
        )
        await self._producer.start()

    async def _play(self, script: Script) -> None:
        async with self._abreast:
            await self._play_in_order(script)

    async def _play_in_order(self, script: Script) -> None:
        for step in script.steps:
            heard = self._heard.setdefault(step.id or "", asyncio.Queue())
            await self.publish(step)
            try:
                await asyncio.wait_for(heard.get(), ANSWERED_WITHIN)
            except TimeoutError:
                msg = f"no reply to {step.id} on {step.topic} within {ANSWERED_WITHIN} s"
                raise AssertionError(msg) from None
            self.answered += 1

    async def _noise(self, number: str) -> None:
        for record in unreadable(number, self._rng):
            await self.publish(record)
        await self._undecodable()

    async def progress(self, *, since: int, by: int) -> None:
        """Wait until ``by`` more replies have come than ``since``."""
        async with asyncio.timeout(ANSWERED_WITHIN):
            while self.answered < since + by:
                await asyncio.sleep(0.02)

    async def publish_at_once(self, records: Sequence[Sent]) -> None:
        """Publish records in order, and wait for no reply; nothing else may be played meanwhile."""
        await self._start_producer()
        try:
            for record in records:
                await self.publish(record)
        finally:
            await self._producer.stop()

    async def publish(self, record: Sent) -> None:
        """Publish one record, until the broker has it."""
        await self._producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))
        self.sent.append(record)

    async def _undecodable(self) -> None:
        topic = self._rng.choice([channel.value for channel in Channel])
        await publish_undecodable(self._bootstrap, topic, self._rng.randrange(self._partitions))
        self.undecodable += 1

    async def _listen(self) -> None:
        consumer = make_consumer(self._bootstrap, "tests", REPLIES_TOPIC, auto_offset_reset="earliest")
        await consumer.start()
        try:
            while True:
                try:
                    for records in (await consumer.getmany(timeout_ms=1000)).values():
                        for record in records:
                            id_ = dict(record.headers).get("ce_causationid", b"").decode()
                            self._heard.setdefault(id_, asyncio.Queue()).put_nowait(None)
                except KafkaError:
                    continue
        finally:
            await consumer.stop()
