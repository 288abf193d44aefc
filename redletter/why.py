"""`why`: which command by which source led to which events, requests and answers, as the topics tell it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from aiokafka.partitioner import murmur2

from events.catalogue import named
from events.topics import EVENTS, REPLIES, TAX_REQUESTS, Channel
from transport.reading import reading
from transport.stepping import SteppingConsumer, Undecodable
from transport.topics import partition_counts

_COMMANDS = tuple(channel.value for channel in Channel)
TOPICS = (*_COMMANDS, REPLIES, EVENTS, TAX_REQUESTS)
"""Where the story of an invoice lies. All but the events are kept for 7 days."""
PATIENCE = 10.0
"""Seconds in which Kafka must answer something."""
SILENT = f"Kafka has not answered for {PATIENCE:g} s"

Progress = Callable[[int, int], None]
"""Told (records read, records in all)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message about the invoice. at: when Kafka got it. body: its JSON, or None where it is none."""

    topic: str
    at: datetime
    name: str
    id: str
    source: str
    causation: str | None
    body: dict[str, Any] | None

    @property
    def kind(self) -> str:
        """Whether it is a command, a reply, an event or a request."""
        return {REPLIES: "reply", EVENTS: "event", TAX_REQUESTS: "request"}.get(self.topic, "command")

    def told(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "at": self.at.isoformat(),
            "kind": self.kind,
            "name": self.name,
            "id": self.id,
            "source": self.source,
            "causation_id": self.causation,
            "body": self.body,
        }


def story(bootstrap: str, number: str, progress: Progress) -> Sequence[Message]:
    """Return all messages about an invoice, each after what caused it. Raises: KafkaError."""
    return asyncio.run(_story(bootstrap, number, progress))


async def _story(bootstrap: str, number: str, progress: Progress) -> Sequence[Message]:
    key = number.encode()
    try:
        async with _patience():
            counts = await partition_counts(bootstrap)
        async with reading(bootstrap) as consumer:
            partitions = [one for topic in TOPICS if topic in counts for one in _partitions(topic, key, counts[topic])]
            if not partitions:
                return []
            return _in_order([one async for one in _messages(consumer, partitions, key, progress)])
    except TimeoutError as error:
        raise KafkaTimeoutError(SILENT) from error


def _patience() -> asyncio.Timeout:
    return asyncio.timeout(PATIENCE)


def _partitions(topic: str, key: bytes, count: int) -> list[TopicPartition]:
    """Return where messages with the key may lie: a command in any partition, since clients choose it differently."""
    own = (murmur2(key) & 0x7FFFFFFF) % count
    return [TopicPartition(topic, partition) for partition in range(count) if topic in _COMMANDS or partition == own]


async def _messages(
    consumer: SteppingConsumer, partitions: Sequence[TopicPartition], key: bytes, progress: Progress
) -> AsyncGenerator[Message]:
    consumer.assign(list(partitions))
    async with _patience():
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    total = sum(ends[one] - starts[one] for one in partitions)
    for partition in partitions:
        consumer.seek(partition, starts[partition])
    done = 0
    async with _patience() as patience:
        while True:
            reached = [min(await consumer.position(one), ends[one]) - starts[one] for one in partitions]
            if sum(reached) > done:
                patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
            done = sum(reached)
            progress(done, total)
            if done >= total:
                return
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if not isinstance(record, Undecodable) and record.key == key:
                        yield _message(record)


def _message(record: Any) -> Message:  # noqa: ANN401 - the client's record
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    try:
        body = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and "specversion" in body:  # structured mode
        headers |= {f"ce_{name}": str(value) for name, value in body.items() if name != "data"}
        body = body.get("data")
    return Message(
        topic=record.topic,
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        name=named(headers.get("ce_type", "unreadable")).removesuffix(".v1"),
        id=headers.get("ce_id", ""),
        source=headers.get("ce_source", ""),
        causation=headers.get("ce_causationid"),
        body=body if isinstance(body, dict) else None,
    )


_RANK = {"command": 0, "event": 1, "reply": 2, "request": 3}


def _in_order(messages: Sequence[Message]) -> Sequence[Message]:
    """Sort by time; of what has the same time, causes come first."""
    return sorted(messages, key=lambda message: (message.at, _RANK[message.kind]))


def lines(messages: Sequence[Message]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (time, kind, what, by or because of what) for a person."""
    for message in messages:
        yield (
            message.at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            message.kind,
            _what(message),
            message.source if message.kind == "command" else f"because of {message.causation}",
        )


def _what(message: Message) -> str:
    body = message.body or {}
    if message.kind == "reply":
        return body.get("code") or f"accepted ({body.get('status')})"
    if message.kind == "request":
        return f"{message.name}, attempt {body.get('attempt')}"
    return f"{message.name}  [{message.id}]" if message.kind == "command" else message.name
