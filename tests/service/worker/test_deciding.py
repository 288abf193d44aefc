"""A batch: each record decided on what the ones before it left, and none spoiling another."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from service.invoice.claims import Claim, ClaimChange, Holder
from service.invoice.overlay import Overlay, WrongHolder
from service.invoice.refusals import Refusal
from service.log.entries import DeadLetterEntry, EventEntry, ReplyEntry
from service.store.event_store import read_stream
from service.worker import deciding
from service.worker.loading import fold
from service.worker.reading import MAX_RECORD_BYTES
from tests.service.support.answered import Answered
from tests.service.support.records import CANCEL, MOMENTS, NUMBER, REGISTER, TAKEN, binary, headers, raw
from transport.records import KafkaRecord, Undecodable

RETURN = {"invoice_number": NUMBER, "account_id": "account"}


def decided(*records: KafkaRecord, on: Answered | None = None) -> Answered:
    return (on or Answered()).take(*records)


def replies(on: Answered) -> Sequence[dict[str, Any]]:
    return [json.loads(entry.value) for entry in on.entries if isinstance(entry, ReplyEntry)]


def codes(on: Answered) -> list[str]:
    return [reply.get("code", "accepted") for reply in replies(on)]


def kinds(on: Answered) -> list[type]:
    return [type(entry) for entry in on.entries]


def command(name: str, body: dict[str, Any], id_: str, offset: int = 0, **more: Any) -> KafkaRecord:
    return binary(name, body, ce_id=id_.encode(), offset=offset, **more)


def test_an_accepted_command_leads_to_its_events_and_then_its_reply() -> None:
    on = decided(command("RegisterInvoice", REGISTER, "1"))
    assert kinds(on) == [EventEntry, ReplyEntry]
    (reply,) = replies(on)
    assert reply == {
        "command_id": "1",
        "command_source": "urn:test",
        "command_type": "redletter.invoice.RegisterInvoice.v1",
        "invoice_number": NUMBER,
        "invoice_version": 1,
        "events": [{"id": f"{NUMBER}-1", "type": "redletter.invoice.InvoiceIssued.v1"}],
        "status": "issued",
        "replayed": False,
    }


def test_a_command_sees_what_the_one_before_it_in_the_batch_left() -> None:
    on = decided(command("RegisterInvoice", REGISTER, "1"), command("RequestReturn", RETURN, "2"))
    assert [reply["invoice_version"] for reply in replies(on)] == [1, 2]
    assert replies(on)[1]["status"] == "return_in_progress"


def test_a_refusal_appends_no_event() -> None:
    on = decided(command("RequestReturn", RETURN, "1"))
    assert kinds(on) == [ReplyEntry]
    assert codes(on) == ["INVOICE_NOT_FOUND"]
    assert "invoice_version" not in replies(on)[0]


def test_the_version_is_given_only_to_the_account_the_invoice_belongs_to() -> None:
    on = decided(
        command("RegisterInvoice", REGISTER, "1"),
        command("RegisterInvoice", REGISTER, "2"),
        command("RegisterInvoice", REGISTER | {"account_id": "other"}, "3"),
    )
    assert codes(on)[1:] == ["INVOICE_ALREADY_REGISTERED"] * 2
    assert [reply.get("invoice_version") for reply in replies(on)[1:]] == [1, None]


def test_the_same_command_again_is_answered_as_before_and_appends_nothing() -> None:
    register = command("RegisterInvoice", REGISTER, "1")
    on = decided(register, register)
    first, again = replies(on)
    assert again == first | {"replayed": True}
    assert kinds(on).count(EventEntry) == 1


def test_a_refusal_is_final_for_its_id() -> None:
    asked = command("RequestReturn", RETURN, "1")
    on = decided(asked, command("RegisterInvoice", REGISTER, "2"), asked)
    assert codes(on) == ["INVOICE_NOT_FOUND", "accepted", "INVOICE_NOT_FOUND"]
    assert [reply["replayed"] for reply in replies(on)] == [False, False, True]


def test_an_id_used_for_another_body_is_refused_and_stays_with_the_first() -> None:
    first = command("RequestReturn", RETURN, "1")
    other = command("RequestReturn", RETURN | {"remarks": "x"}, "1")
    on = decided(first, other, other, first)
    assert codes(on) == ["INVOICE_NOT_FOUND", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_REUSED", "INVOICE_NOT_FOUND"]
    assert [reply["replayed"] for reply in replies(on)] == [False, False, False, True]


def test_a_command_on_another_topic_than_its_own_is_refused_and_uses_no_id_up() -> None:
    on = decided(command("RegisterInvoice", REGISTER, "1", topic="invoice.commands.tax"))
    assert codes(on) == ["WRONG_CHANNEL"]
    assert on.memory.earlier == {}
    assert replies(on)[0]["details"] == {"expected": "invoice.commands.billing", "topic": "invoice.commands.tax"}


def test_the_channel_is_checked_before_the_id() -> None:
    register = command("RegisterInvoice", REGISTER, "1", topic="invoice.commands.tax")
    assert codes(decided(register, register)) == ["WRONG_CHANNEL"] * 2


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


def test_two_invoices_in_one_batch_cannot_take_the_same_charge() -> None:
    other = "26000000000000000002"
    on = decided(
        command("RegisterInvoice", REGISTER, "1"),
        raw(
            json.dumps(REGISTER | {"invoice_number": other}).encode(),
            headers("RegisterInvoice", ce_id=b"2"),
            key=other.encode(),
            topic="invoice.commands.billing",
        ),
    )
    assert codes(on) == ["accepted", "CHARGE_ALREADY_INVOICED"]


def test_replies_have_ids_of_their_own_that_stay_when_the_batch_is_decided_again() -> None:
    records = [command("RequestReturn", RETURN, "1", offset=offset) for offset in range(3)]
    ids = [[entry.id for entry in decided(*records).entries if isinstance(entry, ReplyEntry)] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_claims_that_do_not_fit_the_invoice_are_a_conflict_and_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rival wrote between the loading of the invoices and that of the claims: load again."""

    def rival(*_: object) -> None:
        raise WrongHolder(ClaimChange(Claim("document", NUMBER), None, None), Holder("another", "account"))

    monkeypatch.setattr(Overlay, "apply", rival)
    with pytest.raises(WrongHolder):
        decided(command("RegisterInvoice", REGISTER, "1"))


def facts(on: Answered) -> list[tuple[Any, ...]]:
    return [
        (entry.invoice_number, entry.version, entry.name, entry.body)
        for entry in on.entries
        if isinstance(entry, EventEntry)
    ]


def test_a_batch_decided_again_after_a_disaster_makes_the_same_facts_and_replies() -> None:
    records = [
        command("RegisterInvoice", REGISTER, "1"),
        command("RequestReturn", RETURN, "2", offset=1),
        command("RequestReturn", RETURN, "3", offset=2),
        raw(b"{}", headers("CancelReturn"), offset=3),
    ]
    first, again = decided(*records), decided(*records)
    assert len(facts(first)) == 2
    assert first.entries == again.entries


def test_the_moment_of_a_command_is_when_the_broker_took_it() -> None:
    """Not when a worker got round to it: a worker that was down over night changes nothing."""
    friday, night = TAKEN, timedelta(hours=12)
    on = decided(
        command("RegisterInvoice", REGISTER, "1", at=friday),
        command("RequestReturn", RETURN, "2", at=friday + night),
    )
    issued, requested = (json.loads(state) for *_, state in facts(on))
    assert issued["occurred_at"] == "2026-02-13T01:30:00Z"
    assert requested["occurred_at"] == "2026-02-13T13:30:00Z"
    assert requested["due_earliest"] == "2026-02-14T00:00:00+08:00"
    assert [entry.sent_at for entry in on.entries if isinstance(entry, ReplyEntry)] == [friday, friday + night]


def test_a_dead_letter_is_dated_by_the_broker_too() -> None:
    (dead, reply) = decided(raw(b"{}", headers("CancelReturn"), at=TAKEN)).entries
    assert isinstance(dead, DeadLetterEntry)
    assert isinstance(reply, ReplyEntry)
    assert dead.buried_at == reply.sent_at == TAKEN


def test_within_an_invoice_time_never_goes_back() -> None:
    """Partitions have leaders with clocks of their own."""
    before = TAKEN - timedelta(seconds=3)
    observed = {"invoice_number": NUMBER, "posting_status": "recorded", "observed_at": "2026-02-13T01:00:00Z"}
    on = decided(
        command("RegisterInvoice", REGISTER, "1", at=TAKEN),
        command("RecordPostingStatus", observed, "2", at=before),
        command("RequestReturn", RETURN, "3", at=before + timedelta(seconds=1)),
    )
    assert [json.loads(state)["occurred_at"] for *_, state in facts(on)] == ["2026-02-13T01:30:00Z"] * 3
    assert fold(read_stream((name, state) for _, _, name, state in facts(on))) == on.memory.streams[NUMBER]


def test_the_shift_moves_the_clock_of_every_decision() -> None:
    on = Answered(replace(MOMENTS, shift=timedelta(days=-1)))
    on = decided(command("RegisterInvoice", REGISTER, "1"), on=on)
    assert json.loads(facts(on)[0][-1])["occurred_at"] == "2026-02-12T01:30:00Z"


@pytest.mark.parametrize("milliseconds", [-1, 1 << 62])
def test_a_time_that_no_broker_gives_stops_nothing(milliseconds: int) -> None:
    record = replace(command("RegisterInvoice", REGISTER, "1"), timestamp=milliseconds)
    assert len(replies(decided(record))) == 1


def test_return_ids_follow_from_the_idempotency_key() -> None:
    def return_id(id_: str, source: bytes = b"urn:test") -> str:
        asked = command("RequestReturn", RETURN, id_, ce_source=source)
        return json.loads(facts(decided(command("RegisterInvoice", REGISTER, "1"), asked))[1][-1])["return_id"]

    assert return_id("2") == return_id("2")
    assert len({return_id("2"), return_id("3"), return_id("2", b"urn:other")}) == 3


def test_a_reply_that_is_too_large_for_kafka_is_an_internal_fault_and_uses_no_id_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        deciding, "decide", lambda *_: Refusal("NO_RETURN_IN_PROGRESS", "message", {"much": "x" * (5 << 20)})
    )
    cancel = command("CancelReturn", CANCEL, "1")
    on = decided(cancel)
    assert (codes(on), kinds(on)) == (["INTERNAL_FAULT"], [ReplyEntry])
    assert all(entry.command_key is None for entry in on.entries if isinstance(entry, ReplyEntry))
    monkeypatch.undo()
    assert codes(decided(cancel, on=on)) == ["INTERNAL_FAULT", "INVOICE_NOT_FOUND"]


def test_a_record_whose_headers_are_small_but_too_many_is_kept_as_size_and_digest() -> None:
    """A header without name and value has no bytes of its own, and two in the record."""
    on = decided(raw(b"{", (("", None),) * 500_000))
    (row,) = on.entries
    assert isinstance(row, DeadLetterEntry)
    assert (row.reason, row.value) == ("TOO_LARGE", None)
    assert dict(row.headers) == {b"dl_size": b"1", b"dl_sha256": sha256(b"{").hexdigest().encode()}
