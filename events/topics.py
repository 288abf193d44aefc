"""The topics: their names, who may write which, and how long each keeps its records."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal


class Channel(StrEnum):
    """The command topics. The topic is the trust boundary: one Kafka ACL each."""

    CUSTOMER = "invoice.commands.customer"
    BILLING = "invoice.commands.billing"
    TAX = "invoice.commands.tax"
    INTERNAL = "invoice.commands.internal"


EVENTS_TOPIC = "invoice.events"
REPLIES_TOPIC = "invoice.replies"
DEAD_LETTERS_TOPIC = "invoice.dead-letters"
PARKED_TOPIC = "invoice.parked"
STATUS_TOPIC = "invoice.status"
RELAY_TOPIC = "redletter.relay"
TAX_REQUESTS_TOPIC = "tax.requests"

WEEK = timedelta(days=7)
DEAD_LETTERS_KEPT = NOTICES_KEPT = timedelta(days=30)
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic is created with.

    keep: how long records stay; None is for ever. A compacted topic keeps the newest record of each key.
    largest: the largest record, in bytes.
    """

    name: str
    keep: timedelta | Literal["compacted"] | None
    largest: int = 4 * MIB

    def config(self) -> dict[str, str]:
        """Return the topic's settings in Kafka's own words."""
        own = {"max.message.bytes": str(self.largest), **self._timing_or_compression()}
        if self.keep == "compacted":
            # Small segments, soon rolled and cleaned, so that reading a compacted topic from its start stays short.
            return own | {
                "cleanup.policy": "compact",
                "segment.ms": str(int(timedelta(hours=1).total_seconds() * 1000)),
                "min.cleanable.dirty.ratio": "0.1",
            }
        milliseconds = -1 if self.keep is None else int(self.keep.total_seconds() * 1000)
        return own | {"cleanup.policy": "delete", "retention.ms": str(milliseconds), "retention.bytes": "-1"}

    def _timing_or_compression(self) -> dict[str, str]:
        """Return what others may not decide: when a command was taken, and how what we write is stored."""
        if self.name in {channel.value for channel in Channel}:
            # Kafka deletes by time: a publisher's clock must not make it delete a command.
            return {"message.timestamp.type": "LogAppendTime"}
        return {"compression.type": "producer"}


TOPICS = (
    *(Topic(channel.value, keep=WEEK, largest=MIB) for channel in Channel),
    Topic(EVENTS_TOPIC, keep=None),
    Topic(REPLIES_TOPIC, keep=WEEK),
    Topic(DEAD_LETTERS_TOPIC, keep=DEAD_LETTERS_KEPT),
    Topic(PARKED_TOPIC, keep=NOTICES_KEPT),
    Topic(STATUS_TOPIC, keep="compacted"),
    Topic(RELAY_TOPIC, keep="compacted"),
    Topic(TAX_REQUESTS_TOPIC, keep=WEEK),
)
"""Every topic of the system. All have the same number of partitions."""
