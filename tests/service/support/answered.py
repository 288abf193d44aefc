"""Records that are answered without servers, and what comes of them."""

from collections.abc import Sequence

from service.invoice.overlay import Overlay
from service.log.entries import LogEntry
from service.worker.answering import answer_batch
from service.worker.memory import Memory
from service.worker.moments import Moments
from service.worker.reading import read
from service.worker.replies import RecordAnswer
from tests.service.support.records import MOMENTS
from transport.records import KafkaRecord


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
