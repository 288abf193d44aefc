"""Whatever is sent ends as exactly one reply, one dead letter, or both; and its neighbours are decided as ever."""

import json
from collections.abc import Iterator
from typing import Any

import psutil

from service.log.entries import LogEntry, ReplyEntry
from tests.faults.support.evidence import answer_of
from tests.faults.support.hurt_records import MAX_RESIDENT_BYTES, Anything, Hurt
from tests.faults.support.load import Answer, Sent, scripts
from tests.service.support.decided import Deciding, decoded
from tests.support.scale import SCALE, SEED

DECODED = 20_000 * SCALE if SCALE > 1 else 10_000


def neighbours() -> Iterator[Sent]:
    """Yield valid commands without end, of invoices of their own, each with the answer that it must get."""
    first = 1
    while True:
        for script in scripts(50, first=first):
            yield from script.steps
        first += 50


def test_whatever_is_decoded_ends_as_a_reply_or_a_dead_letter_and_harms_no_neighbour() -> None:
    deciding, valid, before = Deciding(), neighbours(), psutil.Process().memory_info().rss
    accepted = 0
    for offset, record in enumerate(Anything(SEED).records(DECODED)):
        deciding.take(decoded(record, offset))
        if offset % 5 == 0:
            sent = next(valid)
            neighbour = Hurt(sent.topic, sent.key, sent.value, sent.headers, record.codec)
            assert answered(deciding.take(decoded(neighbour, DECODED + offset))) == sent.answer
            accepted += sent.answer is not None and sent.answer.code is None
    assert accepted > DECODED / 20
    assert psutil.Process().memory_info().rss - before < MAX_RESIDENT_BYTES


def answered(entries: list[LogEntry]) -> Answer:
    """Return what the one reply says."""
    (reply,) = (entry for entry in entries if isinstance(entry, ReplyEntry))
    body: dict[str, Any] = json.loads(reply.value)
    return answer_of(body)
