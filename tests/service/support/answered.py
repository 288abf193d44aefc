"""Records that are answered without servers, and what comes of them."""

import json
from collections.abc import Sequence
from typing import Any

from service.invoice.claim_overlay import Overlay
from service.log.entries import EventEntry, LogEntry, ReplyEntry
from service.worker.answering import answer_batch
from service.worker.memory import Memory
from service.worker.moments import Moments
from service.worker.outcomes import RecordAnswer
from service.worker.reading import read
from tests.service.support.records import MOMENTS, NUMBER, binary
from transport.records import ConsumerRecord, KafkaRecord

RETURN = {"invoice_number": NUMBER, "account_id": "account"}
"""The body of a return by the simple route."""


class Answered:
    """The memory of a batch, and the entries that its records have led to."""

    def __init__(self, moments: Moments = MOMENTS) -> None:
        self.moments = moments
        self.memory = Memory({}, {}, Overlay({}))
        self.entries: list[LogEntry] = []

    def take(self, *records: KafkaRecord) -> "Answered":
        """Read and answer some more records."""
        for answer in self.answer(*records):
            self.entries += answer.entries
        return self

    def answer(self, *records: KafkaRecord) -> Sequence[RecordAnswer]:
        """Read and answer some more records, and return the answers."""
        return answer_batch([read(record, self.moments) for record in records], self.memory)


def decided(*records: KafkaRecord, on: Answered | None = None) -> Answered:
    """Answer records. on: after those that this has answered."""
    return (on or Answered()).take(*records)


def replies(on: Answered) -> Sequence[dict[str, Any]]:
    """Return the bodies of the replies."""
    return [json.loads(entry.value) for entry in on.entries if isinstance(entry, ReplyEntry)]


def codes(on: Answered) -> list[str]:
    """Return the code of each reply, or accepted."""
    return [reply.get("code", "accepted") for reply in replies(on)]


def kinds(on: Answered) -> list[type]:
    """Return the classes of the entries."""
    return [type(entry) for entry in on.entries]


def command(name: str, body: dict[str, Any], id_: str, offset: int = 0, **more: Any) -> ConsumerRecord:
    """Return a command as a record in binary mode."""
    return binary(name, body, ce_id=id_.encode(), offset=offset, **more)


def facts(on: Answered) -> list[tuple[Any, ...]]:
    """Return invoice, version, stored name and body of each event."""
    return [
        (entry.invoice_number, entry.version, entry.name, entry.body)
        for entry in on.entries
        if isinstance(entry, EventEntry)
    ]
