"""The simulator answers as the tax side would, and the same question always the same."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from events.commands import (
    CompleteReturn,
    ConfirmRedFontForm,
    RecordCreditNote,
    RejectRedFontForm,
    ReportReversalFailure,
)
from events.tax_requests import AnyTaxRequest, IssueCreditNote, OpenRedFontForm, VerifyRedFontForm, VerifyReversal
from local.tax_simulator import PATTERNS, answer

NOW = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)
NUMBER = "26000000000000000001"
FORM = "33000000000000000001"


def number(pattern: str) -> str:
    return f"260000000000009999{pattern}"


def verify(invoice: str = NUMBER, attempt: int = 1) -> VerifyRedFontForm:
    return VerifyRedFontForm(**_head(invoice, attempt), **_invoice(), form_number=FORM)


def open_form(invoice: str = NUMBER, attempt: int = 1) -> OpenRedFontForm:
    return OpenRedFontForm(**_head(invoice, attempt), **_invoice())


def issue(invoice: str = NUMBER, attempt: int = 1) -> IssueCreditNote:
    amounts = {"net_amount": Decimal("-100.00"), "tax_amount": Decimal("-6.00")}
    return IssueCreditNote(**_head(invoice, attempt), form_number=FORM, **amounts)


def _head(invoice: str, attempt: int) -> dict[str, object]:
    return {"request_id": f"request-{invoice}", "invoice_number": invoice, "return_id": "return-1", "attempt": attempt}


def _invoice() -> dict[str, object]:
    amounts = {"net_amount": Decimal("-100.00"), "tax_amount": Decimal("-6.00")}
    return {"kind": "special", "seller_tax_id": "91330106MA2CFLDG4R", "buyer_tax_id": "B1", **amounts}


def test_a_buyers_form_comes_back_confirmed_by_both_and_as_it_was_asked_about() -> None:
    told = answer(verify(), NOW)
    assert isinstance(told, ConfirmRedFontForm)
    form = told.form
    assert (form.number, form.state, form.invoice_number, form.kind) == (FORM, "04", NUMBER, "special")
    assert (form.seller_tax_id, form.buyer_tax_id) == ("91330106MA2CFLDG4R", "B1")
    assert (form.net_amount, form.tax_amount) == (Decimal("-100.00"), Decimal("-6.00"))


def test_the_sellers_own_form_needs_no_confirmation() -> None:
    told = answer(open_form(), NOW)
    assert isinstance(told, ConfirmRedFontForm)
    assert (told.form.state, len(told.form.number)) == ("01", 20)


def test_a_credit_note_is_issued_and_the_reversal_shown() -> None:
    note = answer(issue(), NOW)
    assert isinstance(note, RecordCreditNote)
    assert (note.form_number, note.net_amount, note.tax_amount) == (FORM, Decimal("-100.00"), Decimal("-6.00"))
    shown = answer(VerifyReversal(**_head(NUMBER, 1), credit_note_number=note.credit_note_number), NOW)
    assert isinstance(shown, CompleteReturn)
    assert shown.credit_note_number == note.credit_note_number


@pytest.mark.parametrize("request_", [verify(), open_form(), issue()])
def test_the_same_question_gets_the_same_facts(request_: AnyTaxRequest) -> None:
    assert answer(request_, NOW) == answer(request_.model_copy(update={"attempt": 2}), NOW)


@pytest.mark.parametrize("state", [pattern for pattern in PATTERNS if pattern < "14"])
def test_a_number_may_ask_for_a_state_of_its_form(state: str) -> None:
    told = answer(verify(number(state)), NOW)
    assert isinstance(told, ConfirmRedFontForm)
    assert told.form.state == state


def test_a_number_may_ask_for_a_form_that_nobody_knows_or_over_another_amount() -> None:
    assert isinstance(answer(verify(number("44")), NOW), RejectRedFontForm)
    told = answer(verify(number("66")), NOW)
    assert isinstance(told, ConfirmRedFontForm)
    assert (told.form.state, told.form.net_amount) == ("04", Decimal("-100.01"))


def test_a_number_may_ask_for_failures_that_pass_or_do_not() -> None:
    passing = [answer(verify(number("77"), attempt), NOW) for attempt in (1, 2, 3)]
    assert [type(told) for told in passing] == [ReportReversalFailure, ReportReversalFailure, ConfirmRedFontForm]
    for_good = answer(issue(number("88")), NOW)
    assert isinstance(for_good, ReportReversalFailure)
    assert for_good.permanent


def test_only_numbers_that_say_so_ask_for_anything() -> None:
    told = answer(verify("26000000000000000005"), NOW)
    assert isinstance(told, ConfirmRedFontForm)
    assert told.form.state == "04"
