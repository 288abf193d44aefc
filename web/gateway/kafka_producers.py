"""Records handed to Kafka by a producer that is replaced as soon as anything goes wrong with it.

aiokafka's may be of no use for ever after one batch that failed (aio-libs/aiokafka#1017). It runs without idempotence,
so that a record is given up after a while instead of being published an hour after its caller went away; should one be
published twice, the worker knows the second by the command's id.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog
from aiokafka.errors import BrokerResponseError, KafkaError, UnknownError
from aiokafka.structs import RecordMetadata

from transport.clients.kafka import KafkaProducer, make_producer, stop

log = structlog.get_logger(__name__)

READY_WITHIN = 5.0
"""Seconds to wait for Kafka to take a record over."""
GIVEN_UP_AFTER = 10.0
"""Seconds after which Kafka's client tries no more to publish a record."""
STOP_WITHIN = 3 * GIVEN_UP_AFTER
"""Seconds that a replaced producer has for the records it still holds."""

Place = asyncio.Future[RecordMetadata]
"""Where a record was published, or why it was not, once that is known."""


class NotHandedOver(Exception):
    """No record left this process."""


class Producers:
    """One producer at a time."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._current: KafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def hand_over(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Place:
        """Hand a record over; from then on it may be published, whatever happens. Raises: NotHandedOver."""
        handing = asyncio.ensure_future(self._send(topic, key, value, headers))
        await asyncio.wait({handing}, timeout=READY_WITHIN)
        if not handing.done():
            handing.cancel()
            await asyncio.wait({handing})
        if handing.cancelled():
            raise NotHandedOver
        return handing.result()

    async def _send(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Place:
        producer = None
        try:
            producer = await self._started()
            place: Place = await producer.send(topic, value, key=key, headers=list(headers))
        except (KafkaError, OSError) as error:
            log.warning("record_not_sent", topic=topic, error=repr(error))
            self._replace(producer)
            raise NotHandedOver from error
        place.add_done_callback(partial(self._judge, producer))
        return place

    async def close(self) -> None:
        """Stop, with a bound for what is still to be published."""
        self._replace(self._current)
        if self._stopping:
            _, left = await asyncio.wait(self._stopping, timeout=1)
            for task in left:
                task.cancel()

    async def _started(self) -> KafkaProducer:
        async with self._starting:
            if self._current is None:
                producer = make_producer(self._bootstrap, "api", request_timeout_ms=int(GIVEN_UP_AFTER * 1000))
                try:
                    await producer.start()
                except BaseException:
                    self._stop(producer)
                    raise
                self._current = producer
            return self._current

    def _judge(self, producer: KafkaProducer, done: Place) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("record_may_be_unpublished", error=repr(error))
            self._replace(producer)

    def _replace(self, producer: KafkaProducer | None) -> None:
        """Let the next record start a new producer."""
        if producer is not None and producer is self._current:
            self._current = None
            self._stop(producer)

    def _stop(self, producer: KafkaProducer) -> None:
        task = asyncio.create_task(_stopped(producer))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


async def _stopped(producer: KafkaProducer) -> None:
    try:
        async with asyncio.timeout(STOP_WITHIN):
            await stop(producer)
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody uses this producer any more
        log.warning("producer_not_stopped_cleanly", error=repr(error))


def was_refused(error: BaseException) -> bool:
    """Return whether Kafka refused the record: it is not published then, and will not be."""
    return isinstance(error, BrokerResponseError) and not (error.retriable or isinstance(error, UnknownError))
