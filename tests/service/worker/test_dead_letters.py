"""What cannot be read is kept as a dead letter, in bounds, and answered where its id is known."""

from hashlib import sha256

import pytest

from service.log.entries import DeadLetterEntry, ReplyEntry
from service.worker.reading import MAX_RECORD_BYTES
from tests.service.support.answered import codes, decided, kinds, replies
from tests.service.support.records import CANCEL, NUMBER, TAKEN, binary, headers, raw
from transport.records import Undecodable


def test_an_unreadable_record_is_buried_with_every_byte_and_answered_with_every_fault() -> None:
    wrong = raw(b'{"x": 1}', (*headers("CancelReturn"), ("x", None), ("y", b"\xff")), key=b"\xfe")
    on = decided(wrong)
    assert kinds(on) == [DeadLetterEntry, ReplyEntry]
    dead = on.entries[0]
    assert isinstance(dead, DeadLetterEntry)
    assert (dead.record_key, dead.value, dead.reason, dead.answered) == (
        b"\xfe",
        b'{"x": 1}',
        "MALFORMED_COMMAND",
        True,
    )
    assert dict(dead.headers) == {name.encode(): value for name, value in wrong.headers}
    assert {fault["field"] for fault in replies(on)[0]["details"]["faults"]} == {"invoice_number", "account_id", "x"}


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({}, b"{" + b" " * 1024 * 1024),
        ({"x": b"x" * 1024 * 1024}, b"{}"),
        ({"content-type": b"application/cloudevents+json"}, b"[" * 2 * 1024 * 1024),
    ],
)
def test_of_a_record_larger_than_any_the_topic_takes_only_size_and_digest_are_kept(
    more: dict[str, bytes], value: bytes
) -> None:
    on = decided(raw(value, headers("CancelReturn", **more)))
    buried = on.entries[0]
    assert isinstance(buried, DeadLetterEntry)
    assert (buried.reason, buried.record_key, buried.value) == ("TOO_LARGE", NUMBER.encode(), None)
    assert dict(buried.headers) == {
        b"dl_size": str(len(value)).encode(),
        b"dl_sha256": sha256(value).hexdigest().encode(),
    }
    if "content-type" in more:
        assert not buried.answered
    else:
        (reply,) = replies(on)
        assert (reply["code"], reply["command_id"]) == ("MALFORMED_COMMAND", "id-1")
        assert [fault["field"] for fault in reply["details"]["faults"]] == ["data"]


def test_a_key_that_is_too_large_is_not_kept_either() -> None:
    on = decided(raw(b"{}", headers("CancelReturn"), key=b"k" * 2 * 1024 * 1024))
    buried, reply = on.entries
    assert isinstance(buried, DeadLetterEntry)
    assert isinstance(reply, ReplyEntry)
    assert (buried.reason, buried.record_key, reply.record_key) == ("TOO_LARGE", None, None)


def test_a_record_of_exactly_the_size_that_is_kept_is_kept() -> None:
    own = headers("CancelReturn")
    room = MAX_RECORD_BYTES - len(NUMBER) - sum(len(name) + len(value or b"") for name, value in own)
    on = decided(raw(b" " * room, own))
    buried = on.entries[0]
    assert isinstance(buried, DeadLetterEntry)
    assert (buried.reason, len(buried.value or b"")) == ("MALFORMED_COMMAND", room)


def test_the_reply_names_three_faults_and_lists_a_hundred() -> None:
    on = decided(binary("CancelReturn", CANCEL | {f"field-{number}": 1 for number in range(150)}))
    (reply,) = replies(on)
    assert reply["message"].count("field-") == 3
    assert "; and 147 more. " in reply["message"]
    assert len(reply["details"]["faults"]) == 101
    assert reply["details"]["faults"][-1] == {"field": "", "message": "and 50 more"}


def test_an_error_has_at_most_four_kibibytes() -> None:
    on = decided(binary("CancelReturn", CANCEL | {"字" * 190 + str(number): 1 for number in range(150)}))
    buried = on.entries[0]
    assert isinstance(buried, DeadLetterEntry)
    assert 4000 < len(buried.error.encode()) <= 4096


def test_an_unreadable_record_without_an_id_gets_no_reply() -> None:
    on = decided(raw(b"{}", headers("CancelReturn", ce_id=None)), Undecodable("invoice.commands.tax", 0, 5, "bad"))
    assert kinds(on) == [DeadLetterEntry, DeadLetterEntry]
    assert codes(on) == []


def test_a_dead_letter_is_dated_by_the_broker_too() -> None:
    (dead, reply) = decided(raw(b"{}", headers("CancelReturn"), at=TAKEN)).entries
    assert isinstance(dead, DeadLetterEntry)
    assert isinstance(reply, ReplyEntry)
    assert dead.buried_at == reply.sent_at == TAKEN


def test_a_record_whose_headers_are_small_but_too_many_is_kept_as_size_and_digest() -> None:
    """A header without name and value has no bytes of its own, and two in the record."""
    on = decided(raw(b"{", (("", None),) * 500_000))
    (row,) = on.entries
    assert isinstance(row, DeadLetterEntry)
    assert (row.reason, row.value) == ("TOO_LARGE", None)
    assert dict(row.headers) == {b"dl_size": b"1", b"dl_sha256": sha256(b"{").hexdigest().encode()}
