"""What the topics and the read model show afterwards."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from aiokafka import TopicPartition

from events.catalogue import json_of, read_event, stored_name
from events.status import InvoiceStatus
from events.topics import STATUS_TOPIC, TAX_REQUESTS_TOPIC
from projections.status.fold import fold
from tests.faults.support.load import Answer, Sent
from transport.addresses import Addresses
from transport.clients.kafka import make_consumer, running
from transport.records import ConsumerRecord
from transport.topics import partition_counts

CAUGHT_UP_WITHIN = 60.0
"""Seconds in which the read model must show all there is."""
DEAD_LETTER_HEADERS = {"dl_reason", "dl_error", "dl_topic", "dl_partition", "dl_offset", "dl_time"}


async def everything(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Read a whole topic as a careful consumer sees it: committed records only."""
    async with running(make_consumer(bootstrap, "tests", auto_offset_reset="earliest")) as consumer:
        partitions = [TopicPartition(topic, p) for p in range((await partition_counts(bootstrap, [topic]))[topic])]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for some in (await consumer.getmany(timeout_ms=500)).values():
                records += some
        return records


def headers(record: ConsumerRecord) -> dict[str, str]:
    """Return a record's headers as text."""
    return {name: value.decode() for name, value in record.headers}


def assert_no_gap_and_no_duplicate(events: Iterable[ConsumerRecord]) -> None:
    """Every invoice's versions are 1, 2, 3 ... in the order of the topic, and every id is there once."""
    versions: dict[bytes | None, list[int]] = defaultdict(list)
    ids: Counter[str] = Counter()
    for record in events:
        versions[record.key].append(int(headers(record)["ce_invoiceversion"]))
        ids[headers(record)["ce_id"]] += 1
    wrong = {key: found for key, found in versions.items() if found != list(range(1, len(found) + 1))}
    assert not wrong
    assert {id_: times for id_, times in ids.items() if times > 1} == {}


@dataclass
class Replies:
    """Replies by the id and source of the command they answer, in the order they came."""

    by_command: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, records: Iterable[ConsumerRecord]) -> "Replies":
        """Sort the records of the reply topic."""
        replies = cls()
        for record in records:
            body = json.loads(record.value or b"{}")
            replies.by_command[body["command_id"]].append(body)
        return replies

    def assert_answer(self, sent: Sequence[Sent]) -> None:
        """Every readable record, and every unreadable one with an id, has exactly the reply it must have."""
        wanted: dict[str, list[Answer]] = defaultdict(list)
        for record in sent:
            if record.id is not None and record.answer is not None:
                wanted[record.id].append(record.answer)
        got = {id_: [answer_of(body) for body in bodies] for id_, bodies in self.by_command.items()}
        missing = {id_: answers for id_, answers in wanted.items() if _sorted(got.get(id_, [])) != _sorted(answers)}
        assert {id_: (answers, got.get(id_)) for id_, answers in missing.items()} == {}
        assert set(got) - set(wanted) == set()


def answer_of(body: Mapping[str, Any]) -> Answer:
    """Read a reply as an answer."""
    return Answer(
        code=body.get("code"),
        status=body.get("status"),
        events=tuple(stored_name(event["type"]).removesuffix(".v1") for event in body.get("events", ())),
        version=body.get("invoice_version"),
        replayed=body["replayed"],
    )


def _sorted(answers: Iterable[Answer]) -> list[Answer]:
    return sorted(answers, key=repr)


def assert_buried(dead_letters: Iterable[ConsumerRecord], sent: Iterable[Sent], undecodable: int) -> None:
    """Every unreadable record lies among the dead letters byte for byte, once; an undecodable one as its place only."""
    found: Counter[Any] = Counter()
    bare = 0
    for record in dead_letters:
        own = tuple((name, value) for name, value in record.headers if name not in DEAD_LETTER_HEADERS)
        attributes = {name: value for name, value in record.headers if name in DEAD_LETTER_HEADERS}
        assert set(attributes) == DEAD_LETTER_HEADERS
        if attributes["dl_reason"] == b"UNDECODABLE_RECORD":
            assert (record.key, record.value, own) == (None, None, ())
            bare += 1
        else:
            found[attributes["dl_topic"].decode(), record.key, record.value, own] += 1
    wanted = Counter((record.topic, record.key, record.value, record.headers) for record in sent if record.dead)
    assert found - wanted == Counter()
    assert wanted - found == Counter()
    assert bare == undecodable


async def assert_read_model_is_a_fold_of(events: Sequence[ConsumerRecord], addresses: Addresses) -> None:
    """Check that the status table, and the compacted topic, say of every invoice what a fold of the events says."""
    folded: dict[str, InvoiceStatus] = {}
    for record in events:
        attributes = headers(record)
        event = read_event(stored_name(attributes["ce_type"]), record.value or b"")
        number = event.invoice_number
        folded[number] = fold(folded.get(number), event, int(attributes["ce_invoiceversion"]))
    wanted = {number: json.loads(json_of(status)) for number, status in folded.items()}
    await until(lambda: _read_model(addresses.database), wanted)
    await until(lambda: _published(addresses.kafka), wanted)


async def _read_model(database: str) -> dict[str, Any]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("select invoice_number, document::text from projections.status").fetchall()
    return {number: json.loads(document) for number, document in rows}


async def _published(bootstrap: str) -> dict[str, Any]:
    """Read the newest status document of each invoice; on the way there none may go back."""
    newest: dict[str, Any] = {}
    for record in await everything(bootstrap, STATUS_TOPIC):
        document = json.loads(record.value or b"{}")
        number = document["invoice_number"]
        assert document["version"] >= newest.get(number, document)["version"]
        newest[number] = document
    return newest


async def until(look: Callable[[], Awaitable[Mapping[str, Any]]], wanted: Mapping[str, Any]) -> None:
    """Wait until what is looked at is what is wanted; say what differs when it does not come to be."""
    deadline = time.monotonic() + CAUGHT_UP_WITHIN
    while (seen := await look()) != wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    assert {key: (value, seen.get(key)) for key, value in wanted.items() if seen.get(key) != value} == {}
    assert set(seen) == set(wanted)


async def assert_tax_requests_never_go_back(bootstrap: str, events: Sequence[ConsumerRecord]) -> None:
    """Check that questions about a return come in order, that attempts never go down, and that no return is made up."""
    order = ("VerifyRedFontForm.v1", "OpenRedFontForm.v1", "IssueCreditNote.v1", "VerifyReversal.v1")
    stages: dict[str, int] = {}
    attempts: dict[str, int] = {}
    for record in await everything(bootstrap, TAX_REQUESTS_TOPIC):
        body, name = json.loads(record.value or b"{}"), stored_name(headers(record)["ce_type"])
        assert order.index(name) >= stages.get(body["return_id"], 0)
        assert body["attempt"] >= attempts.get(body["request_id"], 1)
        stages[body["return_id"]], attempts[body["request_id"]] = order.index(name), body["attempt"]
    returns = {
        json.loads(record.value or b"{}")["return_id"]
        for record in events
        if stored_name(headers(record)["ce_type"]) == "ReturnRequested.v1"
    }
    # The load answers on its own, so a question may be settled before the clock asks it.
    assert stages.keys() <= returns
