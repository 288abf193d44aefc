"""Trace an invoice or a command through the topics: which command caused which events, tax requests and replies."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from aiokafka.partitioner import murmur2

from events.catalogue import stored_name
from events.topics import EVENTS_TOPIC, REPLIES_TOPIC, TAX_REQUESTS_TOPIC, Channel
from events.values import is_invoice_number
from redletter.invoice_text import event_facts, refusal_in_words
from redletter.shown_times import shown_time
from transport.clients.kafka import topic_reader
from transport.clients.stepping_consumer import SteppingConsumer
from transport.records import Undecodable
from transport.topics import partition_counts

_COMMANDS = tuple(channel.value for channel in Channel)
_TOPICS = (*_COMMANDS, REPLIES_TOPIC, EVENTS_TOPIC, TAX_REQUESTS_TOPIC)
"""All but the events are kept for 7 days."""
_ANSWER_TIMEOUT_SECONDS = 10.0
"""In which Kafka must answer something."""
_NO_ANSWER = f"Kafka has not answered for {_ANSWER_TIMEOUT_SECONDS:g} s"
_MAX_POLL_MILLISECONDS = 200

TraceProgress = Callable[[int, int], None]
"""Called with (records read, total records)."""


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """One message. at: when Kafka received it. body: its JSON object, or None if it has none."""

    topic: str
    at: datetime
    name: str
    id: str
    source: str
    causation: str | None
    correlation: str | None
    key: str
    body: dict[str, Any] | None

    @property
    def kind(self) -> str:
        """command, reply, event or request."""
        return {REPLIES_TOPIC: "reply", EVENTS_TOPIC: "event", TAX_REQUESTS_TOPIC: "request"}.get(self.topic, "command")

    @property
    def ids(self) -> set[str | None]:
        """Every id by which it can be asked for."""
        own = self.body or {}
        return {self.id, self.causation, self.correlation, own.get("return_id"), own.get("reissue_id")}

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "at": self.at.isoformat(),
            "kind": self.kind,
            "name": self.name,
            "id": self.id,
            "source": self.source,
            "causation_id": self.causation,
            "correlation_id": self.correlation,
            "body": self.body,
        }


def trace(bootstrap: str, subject: str, progress: TraceProgress) -> Sequence[TracedMessage]:
    """Return all messages about an invoice, or all that belong together with an id, in the order of time.

    subject: an invoice number, the id of a command or an event, or a correlation id. Raises: KafkaError.
    """
    return asyncio.run(_trace(bootstrap, subject, progress))


async def _trace(bootstrap: str, subject: str, progress: TraceProgress) -> Sequence[TracedMessage]:
    try:
        async with _answer_timeout():
            counts = await partition_counts(bootstrap, _TOPICS)
        async with topic_reader(bootstrap, "trace") as consumer:
            if is_invoice_number(subject):
                key = subject.encode()
                places = [one for topic in counts for one in _partitions(topic, key, counts[topic])]
                return await _read(consumer, places, progress, lambda message: message.key == subject)
            return await _of_ids(consumer, counts, subject, progress)
    except TimeoutError as error:
        raise KafkaTimeoutError(_NO_ANSWER) from error


async def _of_ids(
    consumer: SteppingConsumer, counts: Mapping[str, int], subject: str, progress: TraceProgress
) -> Sequence[TracedMessage]:
    """Return the messages with this id, and all with the same correlation id."""
    places = [TopicPartition(topic, partition) for topic in counts for partition in range(counts[topic])]
    ids = {subject}
    found = await _read(consumer, places, progress, lambda message: not ids.isdisjoint(message.ids))
    related = {message.correlation for message in found if message.correlation}
    if related <= ids:
        return found
    return await _read(consumer, places, progress, lambda message: not (ids | related).isdisjoint(message.ids))


async def _read(
    consumer: SteppingConsumer,
    partitions: Sequence[TopicPartition],
    progress: TraceProgress,
    wanted: Callable[[TracedMessage], bool],
) -> Sequence[TracedMessage]:
    if not partitions:
        return []
    return _in_order([one async for one in _messages(consumer, partitions, progress) if wanted(one)])


def _answer_timeout() -> asyncio.Timeout:
    return asyncio.timeout(_ANSWER_TIMEOUT_SECONDS)


def _partitions(topic: str, key: bytes, count: int) -> list[TopicPartition]:
    """Return where messages with the key may be: a command in any partition, since its sender chooses how."""
    own = (murmur2(key) & 0x7FFFFFFF) % count
    return [TopicPartition(topic, partition) for partition in range(count) if topic in _COMMANDS or partition == own]


async def _messages(
    consumer: SteppingConsumer, partitions: Sequence[TopicPartition], progress: TraceProgress
) -> AsyncGenerator[TracedMessage]:
    consumer.assign(list(partitions))
    async with _answer_timeout():
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    total = sum(ends[one] - starts[one] for one in partitions)
    for partition in partitions:
        consumer.seek(partition, starts[partition])
    done = 0
    async with _answer_timeout() as timeout:
        while True:
            reached = [min(await consumer.position(one), ends[one]) - starts[one] for one in partitions]
            if sum(reached) > done:
                timeout.reschedule(asyncio.get_running_loop().time() + _ANSWER_TIMEOUT_SECONDS)
            done = sum(reached)
            progress(done, total)
            if done >= total:
                return
            for records in (await consumer.getmany(timeout_ms=_MAX_POLL_MILLISECONDS)).values():
                for record in records:
                    if not isinstance(record, Undecodable):
                        yield _message(record)


def _message(record: Any) -> TracedMessage:  # noqa: ANN401 - the client's record
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    try:
        body = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and "specversion" in body:  # structured mode
        headers |= {f"ce_{name}": str(value) for name, value in body.items() if name != "data"}
        body = body.get("data")
    return TracedMessage(
        topic=record.topic,
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        name=stored_name(headers.get("ce_type", "unreadable")).removesuffix(".v1"),
        id=headers.get("ce_id", ""),
        source=headers.get("ce_source", ""),
        causation=headers.get("ce_causationid"),
        correlation=headers.get("ce_correlationid"),
        key=(record.key or b"").decode(errors="replace"),
        body=body if isinstance(body, dict) else None,
    )


_RANK = {"command": 0, "event": 1, "reply": 2, "request": 3}


def _in_order(messages: Sequence[TracedMessage]) -> Sequence[TracedMessage]:
    """Sort by time; at the same time, causes come first."""
    return sorted(messages, key=lambda message: (message.at, _RANK[message.kind]))


def causal_tree(messages: Sequence[TracedMessage]) -> Iterator[tuple[int, TracedMessage]]:
    """Yield each message after its cause, with the number of causes above it that were found."""
    ids = {message.id for message in messages}
    effects: dict[str, list[TracedMessage]] = defaultdict(list)
    roots: list[TracedMessage] = []
    for message in messages:
        known = message.causation in ids and message.causation != message.id
        (effects[str(message.causation)] if known else roots).append(message)
    left = [(0, message) for message in reversed(roots)]
    while left:
        depth, message = left.pop()
        yield depth, message
        left += [(depth + 1, effect) for effect in reversed(effects.pop(message.id, []))]
    # What causes itself in a circle, as only a publisher's own ids can.
    yield from ((0, message) for some in effects.values() for message in some)


def trace_lines(messages: Sequence[TracedMessage]) -> Iterator[str]:
    """Yield a line for each message, effects below their causes and indented; the last says what is waited for."""
    for depth, message in causal_tree(messages):
        yield f"{shown_time(message.at, 'milliseconds')}  {message.kind:7}  {'  ' * depth}{_what(message)}"
    if sentence := waiting_sentence(messages):
        yield sentence


_ENDS = {"InvoiceReturned": "the return is complete", "ReturnRefused": "the return was refused"}
_STEPS = ("ReturnRequested", "RedFontFormConfirmed", "CreditNoteIssued")
_FAILED = "ReversalAttemptFailed"


def waiting_sentence(messages: Sequence[TracedMessage]) -> str:
    """Return what an invoice waits for, from its messages in the order of time; nothing if they do not say."""
    replied = {message.causation for message in messages if message.kind == "reply"}
    unanswered = [one for one in messages if one.kind == "command" and one.id not in replied]
    steps = [one for one in messages if one.kind == "event" and one.name in {*_ENDS, *_STEPS, _FAILED}]
    if unanswered and not (steps and steps[-1].at > unanswered[-1].at):
        return f"waiting for the reply to {unanswered[-1].name} since {shown_time(unanswered[-1].at)}"
    if not steps:
        return ""
    last = steps[-1]
    if last.name in _ENDS:
        return _ENDS[last.name] + (f": {refusal_in_words(last.body or {})}" if last.name == "ReturnRefused" else "")
    began = next((one for one in reversed(steps) if one.name != _FAILED), last)
    asked = [one for one in messages if one.kind == "request" and one.at >= began.at]
    return ", ".join((f"waiting for the tax platform since {shown_time(began.at)}", *_attempts(last, asked)))


def _attempts(last: TracedMessage, asked: Sequence[TracedMessage]) -> Iterator[str]:
    retry_at = (last.body or {}).get("retry_at")
    if isinstance(retry_at, str) and not (asked and asked[-1].at > last.at):
        yield f"next try {shown_time(datetime.fromisoformat(retry_at))}"
    if asked:
        yield f"{asked[-1].name} attempt {(asked[-1].body or {}).get('attempt')}"


def _what(message: TracedMessage) -> str:
    body = message.body or {}
    match message.kind:
        case "reply":
            return f"refused: {refusal_in_words(body)}" if "code" in body else f"accepted ({body.get('status')})"
        case "request":
            return f"{message.name}, attempt {body.get('attempt')}"
        case "command":
            return f"{message.name}  {message.id}  from {message.source}"
        case _:
            return "  ".join(part for part in (message.name, event_facts(message.name, body)) if part)
