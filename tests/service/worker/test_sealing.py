"""What the worker records of an invoice whose texts are sealed, and how it knows them again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from events.catalogue import read_event
from events.compact_jwe import unseal
from events.invoice_events import AnyInvoiceEvent
from rules.calendar import MAINLAND_CHINA
from rules.key_wrapping import NO_WRAPPING, OutsideKey, OutsideKeyMissing, WrappedKey
from service.invoice.claim_overlay import Overlay
from service.invoice.moment import Policy
from service.log.entries import EventEntry, ReplyEntry
from service.log.parking import Queue
from service.worker.loading import fold
from service.worker.memory import Memory
from service.worker.moments import Moments
from service.worker.reading import read
from service.worker.sealing import COMMON, KeyGone, Keys, Sealing, known, opened_record
from tests.service.support.answered import Answered, codes, command, decided, facts
from tests.service.support.orders import CREDIT_NOTE, FORM
from tests.service.support.records import NUMBER, REGISTER

AT_ONCE = Moments(
    timedelta(), MAINLAND_CHINA, Policy("simple", timedelta(minutes=5), timedelta(hours=2), retention_years=0)
)
NAME, REMARKS = "张三的公司", "for Zhang San"
SECRET: dict[str, Any] = {**REGISTER, "buyer": {"name": NAME}, "remarks": REMARKS}
FORM_FACTS = {
    "number": FORM,
    "state": "01",
    "invoice_number": NUMBER,
    "kind": "general",
    "seller_tax_id": REGISTER["seller"]["tax_id"],
    "net_amount": "-100.00",
    "tax_amount": "-6.00",
    "reason_code": "01",
    "entered_at": "2026-02-13T01:00:00Z",
}
CREDIT = {
    "credit_note_number": CREDIT_NOTE,
    "issued_on": "2026-02-13",
    "form_number": FORM,
    "net_amount": "-100.00",
    "tax_amount": "-6.00",
}
OF_IT = {"invoice_number": NUMBER}
ERASE = command("EraseInvoice", {**OF_IT, "reason": "over", "requested_by": "office"}, "erase", 7)
REISSUE = command("RequestReissue", {**OF_IT, "account_id": "account", "charge_ids": ["c1"]}, "reissue", 5)
REVERSED = (
    command("RegisterInvoice", SECRET, "register"),
    command("RequestReturn", {**OF_IT, "account_id": "account", "remarks": REMARKS}, "return", 1),
    command("ConfirmRedFontForm", {**OF_IT, "form": FORM_FACTS}, "form", 2),
    command("RecordCreditNote", {**OF_IT, **CREDIT}, "credit", 3),
)


def sealing() -> Answered:
    """Return a batch that begins with sealing on, and erases at once."""
    answered = Answered(AT_ONCE)
    answered.memory.keys.on = True
    return answered


def loaded_again(before: Answered) -> Answered:
    """Return what the next worker loads of all this."""
    keys = Keys(on=True, found=dict(before.memory.keys.found))
    after = Answered(AT_ONCE)
    stream = fold(known(events(before), keys.found.get(NUMBER)))
    after.memory = Memory({NUMBER: stream}, dict(before.memory.earlier), Overlay(dict(_held(before))), keys=keys)
    return after


def _held(before: Answered) -> Iterator[tuple[Any, Any]]:
    return ((change.claim, change.now) for change in before.memory.claims.net())


def events(of: Answered) -> Iterator[AnyInvoiceEvent]:
    return (read_event(name, body) for _, _, name, body in facts(of))


def texts(of: Answered, version: int) -> dict[str, str]:
    """Open what is sealed in an event."""
    body = json.loads(facts(of)[version - 1][3])
    return unseal(of.memory.keys.found[NUMBER], body["sealed"])


def recorded(of: Answered) -> str:
    return repr([entry.body if isinstance(entry, EventEntry) else entry for entry in of.entries])


def test_no_text_of_an_invoice_is_recorded_in_clear() -> None:
    done = decided(*REVERSED, REISSUE, on=sealing())
    assert codes(done) == ["accepted"] * 5
    assert NAME not in "".join(body.decode() for *_, body in facts(done))
    assert REMARKS not in recorded(done)
    assert texts(done, 1) == {"/seller/name": "Seller", "/buyer/name": NAME, "/remarks": REMARKS}
    assert texts(done, 2) == {"/remarks": REMARKS}


def test_a_reissue_inherits_the_buyer_whether_the_invoice_was_loaded_or_remembered() -> None:
    done = decided(*REVERSED, on=sealing())
    for after in (loaded_again(done), done):
        reissued = decided(REISSUE, on=after)
        assert codes(reissued)[-1] == "accepted"
        body = json.loads(facts(reissued)[-1][3])
        assert body["buyer"] == {"name": "[sealed]"}
        assert unseal(after.memory.keys.found[NUMBER], body["sealed"]) == {"/buyer/name": NAME}


def test_without_sealing_nothing_is_sealed_and_no_key_is_made() -> None:
    done = decided(*REVERSED, REISSUE, on=Answered(AT_ONCE))
    assert "sealed" not in recorded(done)
    assert (done.memory.keys.found, done.memory.keys.made) == ({}, {})


def test_an_invoice_that_is_on_record_in_clear_stays_so() -> None:
    done = decided(REVERSED[0], on=Answered(AT_ONCE))
    done.memory.keys.on = True
    assert codes(decided(REVERSED[1], on=done)) == ["accepted"] * 2
    assert REMARKS in facts(done)[1][3].decode()
    assert codes(decided(ERASE, on=done))[-1] == "INVOICE_NOT_SEALED"


def test_a_sealed_invoice_stays_sealed_when_sealing_is_off_again() -> None:
    done = loaded_again(decided(REVERSED[0], on=sealing()))
    done.memory.keys.on = False
    assert codes(decided(REVERSED[1], on=done)) == ["accepted"]
    assert REMARKS not in recorded(done)


def test_no_text_is_recorded_in_clear_of_an_invoice_that_is_remembered_but_whose_key_was_lost() -> None:
    done = decided(REVERSED[0], on=sealing())
    done.memory.keys.found.clear()
    assert codes(decided(REVERSED[1], on=done))[-1] == "accepted"
    assert REMARKS not in recorded(done)


def test_an_erased_invoice_has_no_key_and_later_texts_of_it_are_left_out() -> None:
    done = decided(*REVERSED, REISSUE, ERASE, on=sealing())
    number = json.loads(facts(done)[4][3])["reissue_id"]
    assert NUMBER not in done.memory.keys.found
    refusal = command("RefuseReissue", {**OF_IT, "reissue_id": number, "reason": REMARKS}, "refuse", 8)
    for after in (done, loaded_again(done)):
        refused = decided(refusal, on=after)
        body = json.loads(facts(refused)[-1][3])
        assert (body["reason"], body.get("sealed")) == ("[sealed]", None)
        assert codes(decided(command("RequestReturn", {**OF_IT, "account_id": "account"}, "late", 9), on=after))[
            -1
        ] == ("INVOICE_ERASED")


def test_only_a_key_that_is_on_record_has_to_be_deleted() -> None:
    done = decided(*REVERSED, ERASE, on=sealing())
    assert (NUMBER in done.memory.keys.made, done.memory.keys.destroyed) == (False, set())
    before = decided(*REVERSED, on=sealing())
    after = decided(ERASE, on=loaded_again(before))
    assert (NUMBER in after.memory.keys.made, after.memory.keys.destroyed) == (False, {NUMBER})


def test_erasing_again_destroys_a_key_that_came_back_with_a_backup() -> None:
    before = decided(*REVERSED, on=sealing())
    key = before.memory.keys.found[NUMBER]
    after = loaded_again(decided(ERASE, on=before))
    after.memory.keys.found[NUMBER] = key
    again = command("EraseInvoice", {**OF_IT, "reason": "over", "requested_by": "office"}, "again", 8)
    assert codes(decided(again, on=after)) == ["accepted"]
    assert after.memory.keys.destroyed == {NUMBER}


def test_a_repeat_of_an_erasure_gets_the_first_reply_again() -> None:
    done = loaded_again(decided(*REVERSED, ERASE, on=sealing()))
    assert codes(decided(ERASE, on=done)) == ["accepted"]
    assert facts(done) == []


def test_an_invoice_whose_key_was_lost_can_still_be_erased_on_record() -> None:
    done = decided(REVERSED[0], on=sealing())
    del done.memory.keys.found[NUMBER]
    after = loaded_again(done)
    assert codes(decided(REVERSED[1], ERASE, on=after)) == ["INVOICE_ERASED", "accepted"]
    assert [name for _, _, name, _ in facts(after)] == ["PersonalDataErased.v1"]


def test_an_erasure_does_not_wait_in_a_queue_whose_commands_it_would_close() -> None:
    done = decided(REVERSED[0], on=sealing())
    done.memory.queues[NUMBER] = Queue("a bug")
    assert codes(decided(REVERSED[1], ERASE, on=done))[-1] == "INVOICE_PARKED"
    (waiting,) = done.memory.queues[NUMBER].added
    assert REMARKS.encode() not in (waiting.record.value or b"")
    assert opened_record(waiting.record, done.memory.keys.found).value == REVERSED[1].value
    with pytest.raises(KeyGone, match=NUMBER):
        opened_record(waiting.record, {})


def test_what_belongs_to_no_invoice_makes_no_key_of_its_own() -> None:
    """Else any publisher could make as many as it likes."""
    unknown = command("RequestReturn", {**OF_IT, "account_id": "account", "remarks": REMARKS}, "early")
    done = decided(unknown, unknown, on=sealing())
    assert codes(done) == ["INVOICE_NOT_FOUND"] * 2
    assert done.memory.keys.made.keys() == {COMMON}
    (entry, _) = done.entries
    received: Any = read(unknown, AT_ONCE)
    assert isinstance(entry, ReplyEntry)
    assert entry.digest not in {None, received.digest}


def test_nobody_finds_a_text_by_the_digest_of_its_command() -> None:
    done = decided(REVERSED[0], on=sealing())
    (entry,) = (entry for entry in done.entries if isinstance(entry, ReplyEntry))
    received: Any = read(REVERSED[0], AT_ONCE)
    assert entry.digest not in {None, received.digest}


def test_a_repeat_is_recognised_and_another_command_under_its_id_too() -> None:
    done = loaded_again(decided(REVERSED[0], on=sealing()))
    assert codes(decided(REVERSED[0], on=done)) == ["accepted"]
    other = command("RegisterInvoice", {**SECRET, "remarks": "else"}, "register", 1)
    assert codes(decided(other, on=done))[-1] == "IDEMPOTENCY_KEY_REUSED"


def test_a_repeat_of_a_command_from_before_sealing_is_recognised() -> None:
    refused = command("RegisterInvoice", {**SECRET, "total_amount": "1.00"}, "wrong")
    done = decided(refused, on=Answered(AT_ONCE))
    done.memory.keys.on = True
    assert codes(decided(REVERSED[0], refused, on=done)) == [
        "AMOUNTS_DO_NOT_ADD_UP",
        "accepted",
        "AMOUNTS_DO_NOT_ADD_UP",
    ]


def test_keys_are_wrapped_by_a_key_from_outside_and_those_from_before_are_still_read() -> None:
    keys = Keys(made={NUMBER: bytes(32)})
    kept = Sealing(on=True, wrapping=OutsideKey(b"k" * 32)).wrapped(keys)
    assert bytes(32) not in kept[NUMBER].wrapped
    assert Sealing(wrapping=OutsideKey(b"k" * 32)).keys(kept).found == keys.made
    assert Sealing(wrapping=OutsideKey(b"k" * 32)).keys(Sealing().wrapped(keys)).found == keys.made


@pytest.mark.parametrize("wrapping", [NO_WRAPPING, OutsideKey(b"o" * 32)])
def test_a_key_that_is_wrapped_by_another_one_is_missed_in_a_sentence(wrapping: Any) -> None:
    kept = OutsideKey(b"k" * 32).wrap(bytes(32), NUMBER)
    with pytest.raises(OutsideKeyMissing, match="REDLETTER_SEALING_KEY_FILE"):
        wrapping.unwrap(kept, NUMBER)


def test_a_wrapped_key_is_that_of_its_invoice_alone() -> None:
    outside = OutsideKey(b"k" * 32)
    with pytest.raises(OutsideKeyMissing):
        outside.unwrap(WrappedKey(*outside.wrap(bytes(32), NUMBER)), "26000000000000000002")
