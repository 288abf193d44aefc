"""Foreign records on Redletter's topics, and any names in them, stop no read model and flood no key."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from events.replies import reply_id
from events.topics import DEAD_LETTERS_TOPIC, REPLIES_TOPIC, Channel
from projections.catalogue import MODELS
from projections.engine.projection import Projection
from tests.projections.support.published import records
from transport.addresses import Addresses
from transport.batch import Batch
from transport.records import Headers, OutgoingRecord

KNOWN = "redletter.invoice.RequestReturn.v1"


REPLY_ID = reply_id(Channel.CUSTOMER.value, 0, 0).encode()
REPLY = {"command_id": "c1", "command_source": "urn:tests", "command_type": KNOWN, "replayed": False}


def reply(command_type: str = KNOWN, **more: object) -> bytes:
    return json.dumps(REPLY | {"command_type": command_type} | more).encode()


@contextmanager
def project(tables: Addresses, name: str, messages: Sequence[OutgoingRecord]) -> Generator[None]:
    """Let a read model handle the messages as one batch, and then another batch."""
    entry = MODELS[name]
    partition = TopicPartition(entry.topic, 0)
    read = records(messages)
    projection = Projection(tables.database, consumer=entry.consumer, model=entry.make())
    with closing(projection):
        projection.positions([partition])
        projection.handle(Batch(read, {partition: 0}))
        assert projection.positions([partition]) == {partition: len(read)}
        yield


def rows(tables: Addresses, query: LiteralString) -> list[Any]:
    with psycopg.connect(tables.database) as connection:
        return connection.execute(query).fetchall()


def counted(tables: Addresses, messages: Sequence[tuple[bytes | None, bytes | None]]) -> list[Any]:
    """Return the counts of replies with these ids and values."""
    sent = [OutgoingRecord(REPLIES_TOPIC, b"key", value, [("ce_id", id_)]) for id_, value in messages]
    with project(tables, "replies", sent):
        return rows(tables, "select command_type, answer, times from projections.reply_counts order by 1, 2")


def answers(tables: Addresses, *values: bytes | None) -> list[Any]:
    return counted(tables, [(REPLY_ID, value) for value in values])


def test_types_that_no_command_has_are_counted_under_one_word(tables: Addresses) -> None:
    unknown = [reply("redletter.invoice." + "x" * 9000, code="MALFORMED_COMMAND")]
    unknown += [reply(f"type {index}", code="MALFORMED_COMMAND") for index in range(3000)]
    assert answers(tables, reply(), reply(code="INVOICE_NOT_FOUND"), *unknown) == [
        (KNOWN, "ACCEPTED", 1),
        (KNOWN, "INVOICE_NOT_FOUND", 1),
        ("unknown", "MALFORMED_COMMAND", 3001),
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        None,
        b"",
        b"\xff",
        b"not json",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json.dumps({"command_type": KNOWN}).encode(),
        reply(command_id="a\0b"),
        reply(command_id="x" * 9000),
        reply(command_source="a\0b"),
        reply(command_source="x" * 9000),
        reply(command_source=None),
        reply(replayed="no"),
        reply(code="x" * 9000),
        reply(code=None),
        json.dumps(REPLY | {"command_type": 1}).encode(),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_foreign_record_among_the_replies_is_left_out_and_logged(tables: Addresses, foreign: bytes | None) -> None:
    with capture_logs() as logs:
        assert answers(tables, reply(), foreign, reply()) == [(KNOWN, "ACCEPTED", 2)]
    (line,) = [one for one in logs if one["event"] == "foreign_records_left_out"]
    assert (line["records"], line["topic"], line["partition"], line["offset"]) == (1, REPLIES_TOPIC, 0, 1)


@pytest.mark.parametrize(
    "foreign_id",
    [
        None,
        b"",
        b"reply-1",
        b"invoice.events-0-0",
        b"invoice.commands.customer-0-" + b"9" * 30,
        b"invoice.commands.customer--1-0",
        b" invoice.commands.customer-0-0",
    ],
)
def test_a_reply_to_no_record_of_a_command_topic_is_left_out(tables: Addresses, foreign_id: bytes | None) -> None:
    assert counted(tables, [(REPLY_ID, reply()), (foreign_id, reply())]) == [(KNOWN, "ACCEPTED", 1)]


LETTER: Mapping[str, bytes | None] = {
    "dl_topic": b"invoice.commands.tax",
    "dl_partition": b"1",
    "dl_offset": b"2",
    "dl_reason": b"MALFORMED_COMMAND",
    "dl_error": b"why",
    "dl_time": b"2026-02-13T09:30:00+00:00",
}


def letters(tables: Addresses, *all_headers: Headers) -> list[Any]:
    with project(
        tables, "dead_letters", [OutgoingRecord(DEAD_LETTERS_TOPIC, None, None, headers) for headers in all_headers]
    ):
        return rows(tables, "select partition, reason, error from projections.dead_letters")


@pytest.mark.parametrize(
    "but",
    [
        {"dl_topic": b"no topic of ours " * 9000},
        {"dl_topic": b"\xff"},
        {"dl_partition": b"one"},
        {"dl_partition": b"99999999999"},
        {"dl_offset": None},
        {"dl_offset": b"-1"},
        {"dl_offset": b"9" * 5000},
        {"dl_reason": b"\xff"},
        {"dl_time": b"yesterday"},
        {"dl_time": b"2026-02-13T09:30:00"},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_foreign_record_among_the_dead_letters_is_left_out(tables: Addresses, but: dict[str, bytes | None]) -> None:
    found = letters(tables, list({**LETTER, **but}.items()), [], list(LETTER.items()))
    assert found == [(1, "MALFORMED_COMMAND", "why")]


def test_what_is_kept_of_a_dead_letter_is_bounded(tables: Addresses) -> None:
    long = {"dl_error": "Ü".encode() * 9000, "dl_reason": b"any text \x00 at all"}
    assert letters(tables, list({**LETTER, **long}.items())) == [(1, "unknown", "Ü" * 2048)]
