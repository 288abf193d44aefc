"""docs/contract.md#by-status: every command in every column, and who may not ask at all."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

import pytest

from events import invoice_events
from events.commands import AnyCommand
from events.values import StatusCode
from service.invoice.refusals import Refusal
from service.invoice.state import FormConfirmed, Invoice, status_of
from tests.service.support import orders
from tests.service.support.scenario import Scenario

RETURN = "id-3"
"""The return's id: RequestReturn is the third command."""
ISSUED = (orders.register(), orders.observe())
OPEN = (*ISSUED, orders.ask_return())
CONFIRMED = (*OPEN, orders.confirm())
REVERSED = (*CONFIRMED, orders.credit())
RETURNED = (*REVERSED, orders.complete())
REFUSED = (*OPEN, orders.reject())
SIMPLE_OPEN = (orders.register(), orders.observe("not_recorded"), orders.ask_simply())

COLUMNS: dict[str, tuple[Sequence[AnyCommand], StatusCode]] = {
    "issued": (ISSUED, "issued"),
    "refused": (REFUSED, "issued"),
    "open": (OPEN, "return_in_progress"),
    "simple open": (SIMPLE_OPEN, "return_in_progress"),
    "confirmed": (CONFIRMED, "return_in_progress"),
    "reversed": (REVERSED, "reversed_with_credit_note"),
    "returned": (RETURNED, "returned"),
}

Answer = str | type[invoice_events.AnyInvoiceEvent] | None
"""A refusal's code, the one event, or None: accepted, and nothing to append."""


class Row(NamedTuple):
    """One command's answers: issued; form open; form confirmed; reversed; returned."""

    command: AnyCommand
    issued: Answer
    open: Answer
    confirmed: Answer
    reversed: Answer
    returned: Answer


NONE = "NO_RETURN_IN_PROGRESS"
CHANGED = invoice_events.PostingStatusChanged
TABLE: dict[str, Row] = {
    "return": Row(
        orders.ask_return(),
        invoice_events.ReturnRequested,
        "RETURN_ALREADY_IN_PROGRESS",
        "RETURN_ALREADY_IN_PROGRESS",
        "INVOICE_ALREADY_REVERSED",
        "INVOICE_ALREADY_REVERSED",
    ),
    "cancel": Row(orders.cancel(), NONE, "RETURN_CANNOT_BE_CANCELLED", "RETURN_CANNOT_BE_CANCELLED", NONE, NONE),
    "amend": Row(orders.amend(), *["ISSUED_INVOICE_IMMUTABLE"] * 5),
    "same posting": Row(orders.observe(), None, None, None, None, None),
    "other posting": Row(orders.observe("not_recorded"), CHANGED, CHANGED, CHANGED, CHANGED, CHANGED),
    "form": Row(orders.confirm(), NONE, invoice_events.RedFontFormConfirmed, None, None, None),
    "unusable form": Row(orders.confirm(state="07"), NONE, invoice_events.ReturnRefused, None, None, None),
    "other form": Row(
        orders.confirm(number=orders.OTHER_FORM),
        NONE,
        "RED_FONT_FORM_NUMBER_MISMATCH",
        "RED_FONT_FORM_ALREADY_CONFIRMED",
        NONE,
        NONE,
    ),
    "no form": Row(orders.reject(), NONE, invoice_events.ReturnRefused, "RED_FONT_FORM_ALREADY_CONFIRMED", NONE, NONE),
    "no such form": Row(
        orders.reject(form_number=orders.OTHER_FORM),
        NONE,
        "RED_FONT_FORM_NUMBER_MISMATCH",
        "RED_FONT_FORM_ALREADY_CONFIRMED",
        NONE,
        NONE,
    ),
    "credit note": Row(
        orders.credit(), NONE, "CREDIT_NOTE_BEFORE_CONFIRMATION", invoice_events.CreditNoteIssued, None, None
    ),
    "other credit note": Row(
        orders.credit(credit_note_number=orders.OTHER_CREDIT_NOTE),
        NONE,
        "CREDIT_NOTE_BEFORE_CONFIRMATION",
        invoice_events.CreditNoteIssued,
        "INVOICE_ALREADY_REVERSED",
        "INVOICE_ALREADY_REVERSED",
    ),
    "complete": Row(
        orders.complete(), NONE, "RETURN_NOT_REVERSED", "RETURN_NOT_REVERSED", invoice_events.InvoiceReturned, None
    ),
    "complete other": Row(
        orders.complete(credit_note=orders.OTHER_CREDIT_NOTE),
        NONE,
        "RETURN_NOT_REVERSED",
        "RETURN_NOT_REVERSED",
        "CREDIT_NOTE_NUMBER_MISMATCH",
        "CREDIT_NOTE_NUMBER_MISMATCH",
    ),
    "fail": Row(
        orders.fail(RETURN),
        NONE,
        invoice_events.ReversalAttemptFailed,
        invoice_events.ReversalAttemptFailed,
        NONE,
        NONE,
    ),
    "fail for good": Row(
        orders.fail(RETURN, permanent=True),
        NONE,
        invoice_events.ReturnRefused,
        invoice_events.ReturnRefused,
        NONE,
        NONE,
    ),
    "overdue": Row(
        orders.overdue(RETURN), NONE, invoice_events.ReturnOverdue, invoice_events.ReturnOverdue, NONE, NONE
    ),
    "revise": Row(
        orders.revise(RETURN),
        NONE,
        invoice_events.ReturnDeadlineRevised,
        invoice_events.ReturnDeadlineRevised,
        NONE,
        NONE,
    ),
    "reissue": Row(
        orders.reissue("c1"),
        "ORIGINAL_NOT_RETURNED",
        "ORIGINAL_RETURN_NOT_COMPLETE",
        "ORIGINAL_RETURN_NOT_COMPLETE",
        invoice_events.ReissueRequested,
        invoice_events.ReissueRequested,
    ),
    "refuse reissue": Row(orders.refuse_reissue("none"), *["REISSUE_NOT_FOUND"] * 5),
    "erase": Row(orders.erase(), *["INVOICE_NOT_SEALED"] * 5),
    "link": Row(orders.link("none"), *["REISSUE_NOT_FOUND"] * 5),
}


def answers(row: Row) -> dict[str, Answer]:
    """Spell out the columns; a refused return is the same as none."""
    _, *columns = row
    names = ("issued", "open", "confirmed", "reversed", "returned")
    return {**dict(zip(names, columns, strict=True)), "refused": row.issued}


CELLS = [
    pytest.param(column, row.command, answer, id=f"{name}, {column}")
    for name, row in TABLE.items()
    for column, answer in answers(row).items()
]


@pytest.mark.parametrize(("column", "command", "answer"), CELLS)
def test_each_command_is_answered_by_status(
    scenario: Scenario, column: str, command: AnyCommand, answer: Answer
) -> None:
    given, _ = COLUMNS[column]
    scenario.given(*given)
    before = scenario.state()
    scenario.now += timedelta(days=30)
    scenario.when(command)
    assert answer_of(scenario) == answer
    assert (scenario.state() == before) == (answer is None or isinstance(answer, str))


def answer_of(scenario: Scenario) -> Answer:
    if isinstance(scenario.decision, Refusal):
        return scenario.decision.code
    return type(scenario.decision[0]) if scenario.decision else None


@pytest.mark.parametrize("column", COLUMNS)
def test_the_status_is_the_contracts(scenario: Scenario, column: str) -> None:
    given, status = COLUMNS[column]
    state = scenario.given(*given).state()
    assert state is not None
    assert status_of(state) == status


@pytest.mark.parametrize("command", [row.command for row in TABLE.values()], ids=TABLE)
def test_an_unknown_invoice_is_not_found(scenario: Scenario, command: AnyCommand) -> None:
    scenario.when(command).then_refused("INVOICE_NOT_FOUND", invoice_number=orders.NUMBER)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    "ask",
    [
        orders.ask_return(account_id="x"),
        orders.reissue(account_id="x"),
        orders.cancel(account="x"),
        orders.amend(account="x"),
    ],
)
def test_another_accounts_invoice_is_indistinguishable_from_an_unknown_one(
    scenario: Scenario, column: str, ask: AnyCommand
) -> None:
    given, _ = COLUMNS[column]
    scenario.given(*given).when(ask).then_refused("INVOICE_NOT_FOUND", invoice_number=orders.NUMBER)


BY_RETURN: list[Callable[[str], AnyCommand]] = [
    lambda return_id: orders.confirm(return_id=return_id),
    lambda return_id: orders.confirm(return_id=return_id, number=orders.OTHER_FORM),
    lambda return_id: orders.reject(return_id=return_id, form_number=orders.OTHER_FORM),
    lambda return_id: orders.credit(return_id=return_id),
    orders.fail,
    orders.overdue,
    orders.revise,
]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("order", BY_RETURN)
def test_another_return_than_the_latest_is_not_in_progress(
    scenario: Scenario, column: str, order: Callable[[str], AnyCommand]
) -> None:
    given, _ = COLUMNS[column]
    scenario.given(*given).when(order("another")).then_refused(NONE)


@pytest.mark.parametrize("order", BY_RETURN)
def test_an_earlier_return_is_not_in_progress(scenario: Scenario, order: Callable[[str], AnyCommand]) -> None:
    scenario.given(*REFUSED, orders.ask_return()).when(order(RETURN)).then_refused(NONE)


def test_a_posting_that_changes_during_a_return_does_not_change_the_return(scenario: Scenario) -> None:
    scenario.given(*CONFIRMED, orders.observe("not_recorded"))
    state: Invoice | None = scenario.state()
    assert isinstance(state, FormConfirmed)
    assert state.latest.route == "form"
    scenario.when(orders.credit()).then(invoice_events.CreditNoteIssued)
