"""Follow a topic: show each record that comes from now on, as a careful subscriber sees it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from events import envelopes
from events.catalogue import stored_name
from redletter.shown_times import shown_time
from transport.clients.kafka import read_from_now, topic_reader
from transport.clients.stepping_consumer import SteppingConsumer
from transport.records import ConsumerRecord, KafkaRecord, Undecodable
from transport.topics import partition_counts

_CONNECT_TIMEOUT_SECONDS = 10.0
_MAX_POLL_MILLISECONDS = 500


class TopicMissing(Exception):
    """Kafka has no such topic."""


@dataclass(frozen=True, slots=True)
class TailedRecord:
    """A record of a topic. at: when Kafka received it. name: the type of a CloudEvent, such as ``InvoiceIssued.v1``.

    value: its JSON, or its text where it has none; None where it is empty. error: why the record cannot be decoded.
    """

    partition: int
    offset: int
    at: datetime | None
    key: str | None
    name: str | None
    headers: dict[str, str | None]
    value: Any
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "partition": self.partition,
            "offset": self.offset,
            "at": self.at and self.at.isoformat(),
            "key": self.key,
            "headers": self.headers,
            "value": self.value,
            **({"error": self.error} if self.error else {}),
        }

    def line(self) -> str:
        """Return it as one line: local time, partition/offset, type, key, and the value or the error."""
        at = shown_time(self.at, "milliseconds") if self.at else "-"
        name = (self.name or "-").removesuffix(".v1")
        what = self.error or ("-" if self.value is None else json.dumps(self.value, ensure_ascii=False))
        return f"{at}  {self.partition}/{self.offset}  {name}  {self.key or '-'}  {what}"


async def tailed_records(bootstrap: str, topic: str, ready: Callable[[], None]) -> AsyncIterator[TailedRecord]:
    """Yield the records that come from now on, for ever. ready: called when it is at the end of the topic.

    Raises: TopicMissing, KafkaError.
    """
    async with topic_reader(bootstrap, "tail") as consumer:
        await _seek_to_end(bootstrap, consumer, topic)
        ready()
        while True:
            for records in (await consumer.getmany(timeout_ms=_MAX_POLL_MILLISECONDS)).values():
                for record in records:
                    yield _tailed(record)


async def _seek_to_end(bootstrap: str, consumer: SteppingConsumer, topic: str) -> None:
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
            count = (await partition_counts(bootstrap, [topic])).get(topic)
            if count is None:
                raise TopicMissing(topic)
            await read_from_now(consumer, [TopicPartition(topic, partition) for partition in range(count)])
    except TimeoutError as error:
        msg = f"Kafka has not answered for {_CONNECT_TIMEOUT_SECONDS:g} s"
        raise KafkaTimeoutError(msg) from error


def _tailed(record: KafkaRecord) -> TailedRecord:
    if isinstance(record, Undecodable):
        return TailedRecord(record.partition, record.offset, None, None, None, {}, None, record.error)
    return TailedRecord(
        partition=record.partition,
        offset=record.offset,
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=_text(record.key),
        name=_name(record),
        headers={name: _text(value) for name, value in record.headers},
        value=_value(record.value),
    )


def _name(record: ConsumerRecord) -> str | None:
    type_ = envelopes.read(record.headers, record.value).type
    return None if type_ is None else stored_name(type_)


def _value(value: bytes | None) -> Any:  # noqa: ANN401 - any JSON
    try:
        return None if value is None else json.loads(value)
    except (ValueError, RecursionError):
        return _text(value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")
