"""A batch: each record decided on what the ones before it left, and none spoiling another."""

import json

import pytest

from service.invoice.claim_overlay import Overlay, WrongHolder
from service.invoice.claims import Claim, ClaimChange, Holder
from service.invoice.refusals import Refusal
from service.log.entries import EventEntry, ReplyEntry
from service.worker import deciding
from tests.service.support.answered import RETURN, codes, command, decided, facts, kinds, replies
from tests.service.support.records import CANCEL, NUMBER, REGISTER, headers, raw


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
