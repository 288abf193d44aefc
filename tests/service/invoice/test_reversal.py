"""The tax side's work on a return: credit note, completion, failures, lateness."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from events.invoice_events import (
    CreditNoteIssued,
    InvoiceReturned,
    ReturnDeadlineRevised,
    ReturnOverdue,
    ReturnRefused,
    ReturnRequested,
    ReversalAttemptFailed,
)
from events.values import Calendar
from service.invoice.moment import Policy
from tests.service.support import orders
from tests.service.support.scenario import NOW, Scenario

RETURN = "id-3"
OPEN = (orders.register(charges=("c1", "c2")), orders.observe(), orders.ask_return())
IN_FULL: dict[str, Any] = {"net_amount": Decimal("-200.00"), "tax_amount": Decimal("-12.00")}
CONFIRMED = (*OPEN, orders.confirm(**IN_FULL))
REVERSED = (*CONFIRMED, orders.credit(**IN_FULL))
DUE = datetime.fromisoformat("2026-02-25T23:59:59+08:00")


def test_the_credit_note_reverses_the_invoice_and_releases_its_charges(scenario: Scenario) -> None:
    scenario.given(*CONFIRMED).when(orders.credit(return_id=RETURN, **IN_FULL))
    scenario.then(
        CreditNoteIssued,
        return_id=RETURN,
        credit_note_number=orders.CREDIT_NOTE,
        issued_on=date(2026, 2, 14),
        form_number=orders.FORM,
        released_charge_ids=("c1", "c2"),
        **IN_FULL,
    )


@pytest.mark.parametrize(
    "but", [{"net_amount": Decimal("-199.99")}, {"tax_amount": Decimal("12.00")}, {"net_amount": Decimal("200.00")}]
)
def test_a_credit_note_is_for_exactly_the_full_amount(scenario: Scenario, but: dict[str, Decimal]) -> None:
    amounts: dict[str, Any] = IN_FULL | but
    scenario.given(*CONFIRMED).when(orders.credit(**amounts))
    scenario.then_refused(
        "CREDIT_NOTE_AMOUNT_MISMATCH",
        expected_net="-200.00",
        expected_tax="-12.00",
        net=str(amounts["net_amount"]),
        tax=str(amounts["tax_amount"]),
    )


@pytest.mark.parametrize("taken", [orders.NUMBER, orders.OTHER_NUMBER, orders.OTHER_CREDIT_NOTE])
def test_a_credit_note_has_a_number_of_its_own(scenario: Scenario, taken: str) -> None:
    other = (
        orders.register(orders.OTHER_NUMBER, charges=("c3",), kind="general"),
        orders.ask_simply(orders.OTHER_NUMBER),
    )
    other_form: dict[str, Any] = {"kind": "general", "number": orders.OTHER_FORM}
    note = orders.credit(
        orders.OTHER_NUMBER, form_number=orders.OTHER_FORM, credit_note_number=orders.OTHER_CREDIT_NOTE
    )
    scenario.given(*other, orders.confirm(orders.OTHER_NUMBER, **other_form), note)
    scenario.given(*CONFIRMED).when(orders.credit(credit_note_number=taken, **IN_FULL))
    scenario.then_refused("CREDIT_NOTE_NUMBER_MISMATCH", credit_note_number=taken)


def test_a_credit_notes_number_begins_with_the_year_of_its_issue(scenario: Scenario) -> None:
    scenario.given(*CONFIRMED).when(orders.credit(credit_note_number="25000000000000000091", **IN_FULL))
    scenario.then_refused(
        "CREDIT_NOTE_NUMBER_MISMATCH", credit_note_number="25000000000000000091", issued_on="2026-02-14"
    )


@pytest.mark.parametrize("issued_on", ["2026-01-31", "2026-02-15"])
def test_a_credit_note_is_issued_between_the_original_and_tomorrow(scenario: Scenario, issued_on: str) -> None:
    for _ in range(2):
        scenario.given(*(CONFIRMED if not scenario.streams else ())).when(orders.credit(issued_on=issued_on, **IN_FULL))
        scenario.then_refused(
            "CREDIT_NOTE_DATE_IMPLAUSIBLE", issued_on=issued_on, earliest="2026-02-01", latest="2026-02-14"
        )


@pytest.mark.parametrize("issued_on", ["2026-02-01", "2026-02-14"])
def test_the_first_and_the_last_plausible_day_of_a_credit_note_pass(scenario: Scenario, issued_on: str) -> None:
    scenario.given(*CONFIRMED).when(orders.credit(issued_on=issued_on, **IN_FULL)).then(CreditNoteIssued)


def test_faults_of_a_credit_note_are_reported_in_order(scenario: Scenario) -> None:
    scenario.given(*OPEN).when(orders.credit()).then_refused("CREDIT_NOTE_BEFORE_CONFIRMATION")
    scenario.given(orders.confirm(**IN_FULL)).when(
        orders.credit(form_number=orders.OTHER_FORM, credit_note_number=orders.NUMBER)
    )
    scenario.then_refused("RED_FONT_FORM_NUMBER_MISMATCH", expected=orders.FORM, form_number=orders.OTHER_FORM)
    scenario.when(orders.credit(credit_note_number=orders.NUMBER))
    scenario.then_refused("CREDIT_NOTE_NUMBER_MISMATCH", credit_note_number=orders.NUMBER)
    scenario.when(orders.credit(issued_on="2026-01-01"))
    scenario.then_refused(
        "CREDIT_NOTE_DATE_IMPLAUSIBLE", issued_on="2026-01-01", earliest="2026-02-01", latest="2026-02-14"
    )
    scenario.when(orders.credit())
    assert getattr(scenario.decision, "code", None) == "CREDIT_NOTE_AMOUNT_MISMATCH"


def test_the_same_credit_note_again_appends_nothing_and_another_is_refused(scenario: Scenario) -> None:
    scenario.given(*REVERSED).when(orders.credit(**IN_FULL)).then_nothing()
    scenario.when(orders.credit(credit_note_number=orders.OTHER_CREDIT_NOTE, **IN_FULL)).then_refused(
        "INVOICE_ALREADY_REVERSED"
    )
    scenario.when(orders.credit()).then_refused("INVOICE_ALREADY_REVERSED")
    scenario.given(orders.complete()).when(orders.credit(**IN_FULL)).then_nothing()


def test_an_invoice_is_returned_when_the_tax_system_shows_it(scenario: Scenario) -> None:
    scenario.given(*REVERSED)
    scenario.now = datetime.fromisoformat("2026-02-24T23:59:59+08:00")
    scenario.when(orders.complete())
    scenario.then(
        InvoiceReturned,
        occurred_at=scenario.now,
        return_id=RETURN,
        credit_note_number=orders.CREDIT_NOTE,
        business_days_used=2,
    )
    scenario.when(orders.complete()).then_nothing()


def test_completion_names_the_credit_note(scenario: Scenario) -> None:
    scenario.given(*REVERSED).when(orders.complete(credit_note=orders.OTHER_CREDIT_NOTE))
    scenario.then_refused("CREDIT_NOTE_NUMBER_MISMATCH", credit_note_number=orders.OTHER_CREDIT_NOTE)


def test_a_return_is_not_complete_before_its_credit_note(scenario: Scenario) -> None:
    scenario.given(*CONFIRMED).when(orders.complete()).then_refused("RETURN_NOT_REVERSED")


@pytest.mark.parametrize("given", [OPEN, CONFIRMED], ids=["form open", "form confirmed"])
def test_a_failure_for_now_is_counted_and_tried_again_later_each_time(scenario: Scenario, given: Any) -> None:
    scenario.given(*given)
    for attempt, minutes in enumerate([5, 10, 20, 40, 80, 120, 120], start=1):
        scenario.when(orders.fail(RETURN, detail="busy"))
        scenario.then(
            ReversalAttemptFailed,
            return_id=RETURN,
            attempt=attempt,
            code="PLATFORM_BUSY",
            detail="busy",
            retry_at=NOW + timedelta(minutes=minutes),
        )


def test_failures_are_counted_for_each_return(scenario: Scenario) -> None:
    scenario.given(*OPEN, orders.fail(RETURN), orders.fail(RETURN, permanent=True), orders.ask_return())
    scenario.when(orders.fail("id-6")).then(ReversalAttemptFailed, attempt=1)


@pytest.mark.parametrize("attempt", [24, 100, 100_000])
def test_however_many_attempts_the_wait_is_bounded(attempt: int) -> None:
    assert Policy("simple", timedelta(seconds=0.1), timedelta(days=7)).wait(attempt) == timedelta(days=7)


@pytest.mark.parametrize(("detail", "details"), [(None, {}), ("no", {"detail": "no"})])
@pytest.mark.parametrize("given", [OPEN, CONFIRMED], ids=["form open", "form confirmed"])
def test_a_failure_for_good_ends_the_return_with_its_code(
    scenario: Scenario, given: Any, detail: str | None, details: dict[str, str]
) -> None:
    scenario.given(*given).when(orders.fail(RETURN, permanent=True, code="BLOCKED", detail=detail))
    scenario.then(
        ReturnRefused, return_id=RETURN, code="BLOCKED", details=details, form_number=orders.FORM, form_state=None
    )
    scenario.when(orders.fail(RETURN, permanent=True)).then_refused("NO_RETURN_IN_PROGRESS")
    scenario.when(orders.ask_return()).then(ReturnRequested)


def test_a_return_is_overdue_from_its_last_due_time_on_and_once(scenario: Scenario) -> None:
    scenario.given(*CONFIRMED)
    scenario.now = DUE - timedelta(microseconds=1)
    scenario.when(orders.overdue(RETURN)).then_refused("RETURN_NOT_OVERDUE", due_latest="2026-02-25T23:59:59+08:00")
    scenario.now = DUE
    scenario.when(orders.overdue(RETURN)).then(ReturnOverdue, return_id=RETURN, due_latest=DUE)
    scenario.when(orders.overdue(RETURN)).then_nothing()


def test_an_overdue_return_is_worked_on(scenario: Scenario) -> None:
    scenario.given(*OPEN)
    scenario.now = DUE
    scenario.given(
        orders.overdue(RETURN),
        orders.fail(RETURN),
        orders.confirm(**IN_FULL),
        orders.credit(**IN_FULL),
        orders.complete(),
    )
    scenario.when(orders.complete()).then_nothing()


REVISED = DUE + timedelta(days=1)


@pytest.mark.parametrize("given", [OPEN, CONFIRMED], ids=["form open", "form confirmed"])
def test_due_dates_are_revised_when_the_days_are_decreed_otherwise(scenario: Scenario, given: Any) -> None:
    scenario.given(*given).when(orders.revise(RETURN))
    scenario.then(
        ReturnDeadlineRevised,
        return_id=RETURN,
        due_earliest=datetime.fromisoformat("2026-02-24T00:00:00+08:00"),
        due_latest=REVISED,
        calendar=Calendar(version="decreed", provisional=False),
    )
    scenario.when(orders.revise(RETURN)).then_nothing()
    scenario.when(orders.revise(RETURN, calendar=Calendar(version="another", provisional=True))).then_nothing()
    scenario.now = DUE
    scenario.when(orders.overdue(RETURN)).then_refused("RETURN_NOT_OVERDUE", due_latest=REVISED.isoformat())
    scenario.now = REVISED
    scenario.when(orders.overdue(RETURN)).then(ReturnOverdue, due_latest=REVISED)


def test_the_dates_on_record_are_not_a_revision(scenario: Scenario) -> None:
    scenario.given(*OPEN)
    scenario.when(orders.revise(RETURN, due_earliest="2026-02-14T00:00:00+08:00", due_latest=DUE)).then_nothing()
    scenario.when(orders.revise(RETURN, due_latest=DUE)).then(ReturnDeadlineRevised, due_latest=DUE)
