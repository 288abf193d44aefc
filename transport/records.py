"""A record as it is read from Kafka, and a record that is about to be published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import aiokafka

ConsumerRecord = aiokafka.ConsumerRecord[bytes | None, bytes | None]
"""A record that the Kafka client has decoded; key, value and headers are still bytes."""
Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that the Kafka client itself cannot decode, such as one with a header name that is not UTF-8.

    count: offsets that it stands for. More than one where a whole batch cannot be decoded (an unknown codec, a wrong
    checksum, inflated too far): the client cannot tell its records apart.
    """

    topic: str
    partition: int
    offset: int
    error: str
    count: int = 1


KafkaRecord = ConsumerRecord | Undecodable


def next_offset(record: KafkaRecord) -> int:
    """Return the offset behind the record."""
    return record.offset + (record.count if isinstance(record, Undecodable) else 1)


def key_of(record: KafkaRecord) -> bytes | None:
    """Return a record's key; of one that cannot be decoded it is not known."""
    return None if isinstance(record, Undecodable) else record.key


def size_of(record: ConsumerRecord) -> int:
    """Return the bytes of a record's key, value and headers."""
    size = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += len(name) if name.isascii() else len(name.encode())
        if value:
            size += len(value)
    return size


class OutgoingRecord(NamedTuple):
    """A record to publish. Without a partition the key decides, as it does for every Kafka client."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
