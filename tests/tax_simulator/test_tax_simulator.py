"""The simulator keeps books like a tax platform, and every path in its help leads where it says."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from events.commands import AnyCommand, RecordCreditNote
from events.invoice_events import AnyInvoiceEvent, CreditNoteIssued, InvoiceIssued, ReturnRefused
from events.tax_requests import AnyTaxRequest, IssueCreditNote
from service.clock.timer_actions import CloseTimer, OpenTimer, actions
from service.invoice.refusals import Refusal
from service.invoice.state import Returned, status_of
from tax_simulator.connector import commands_for
from tax_simulator.patterns import PATTERNS, help_text
from tax_simulator.platform import Books
from tests.service.support.orders import FORM, OTHER_FORM, ask_return, ask_simply, observe, register
from tests.service.support.scenario import Scenario
from tests.tax_simulator.support.numbers import OTHER, USUAL, number

PAGE = Path(__file__).parents[2] / "docs" / "integrate" / "test-numbers.md"
ROUNDS = 12
"""Times that open requests are sent; the longest path takes fewer."""


class Play:
    """One invoice between Redletter's rules, the clock's requests and the simulator, without a wire."""

    def __init__(self, invoice_number: str, route: str) -> None:
        self.number = invoice_number
        self.scenario = Scenario()
        self.books = Books()
        self.open: dict[str, AnyTaxRequest] = {}
        self.refused: list[str] = []
        self.scenario.given(
            register(invoice_number), observe("recorded" if route == "form" else "not_recorded", invoice_number)
        )

    def ask(self, form: str = FORM) -> "Play":
        state = self.scenario.state(self.number)
        recorded = state is not None and state.posting.status == "recorded"
        self.submit(ask_return(self.number, red_font_form_number=form) if recorded else ask_simply(self.number))
        for _ in range(ROUNDS):
            answers = [answer for request in list(self.open.values()) for answer in self.answers(request)]
            for answer in sorted(answers, key=lambda answer: answer.after):
                self.submit(answer.command)
        return self

    def answers(self, request: AnyTaxRequest) -> Any:
        return commands_for(self.books, request, self.scenario.now)

    def submit(self, command: AnyCommand) -> None:
        self.scenario.when(command)
        decision = self.scenario.decision
        if isinstance(decision, Refusal):
            self.refused.append(decision.code)
            return
        for event in decision:
            self.follow(event)

    def follow(self, event: AnyInvoiceEvent) -> None:
        body = self.scenario.streams[self.number][0]
        assert isinstance(body, InvoiceIssued)
        for action in actions(event, body):
            if isinstance(action, OpenTimer) and isinstance(action.body, AnyTaxRequest):
                self.open[action.id] = action.body
            if isinstance(action, CloseTimer):
                self.open.pop(action.id, None)

    @property
    def status(self) -> str:
        state = self.scenario.state(self.number)
        assert state is not None
        return status_of(state)

    @property
    def refusals(self) -> list[str]:
        return [event.code for event in self.scenario.streams[self.number] if isinstance(event, ReturnRefused)]

    @property
    def names(self) -> Counter[str]:
        return Counter(type(event).__name__ for event in self.scenario.streams[self.number])


ENDS = {
    "02": "RED_FONT_FORM_AWAITING_BUYER",
    "03": "RED_FONT_FORM_AWAITING_SELLER",
    "05": "RED_FONT_FORM_REJECTED",
    "06": "RED_FONT_FORM_REJECTED",
    "07": "RED_FONT_FORM_EXPIRED",
    "08": "RED_FONT_FORM_REVOKED",
    "09": "RED_FONT_FORM_REVOKED",
    "10": "RED_FONT_FORM_VOID",
    "11": "RED_FONT_FORM_VOID",
    "12": "RED_FONT_FORM_VOID",
    "13": "RED_FONT_FORM_VOID",
    "14": "RED_FONT_FORM_STATE_UNKNOWN",
    "21": "RED_FONT_FORM_FOR_OTHER_INVOICE",
    "22": "RED_FONT_FORM_KIND_MISMATCH",
    "23": "RED_FONT_FORM_PARTY_MISMATCH",
    "24": "RED_FONT_FORM_AMOUNT_MISMATCH",
    "25": "RED_FONT_FORM_AMOUNT_MISMATCH",
    "26": "RED_FONT_FORM_AMOUNT_MISMATCH",
    "27": "RED_FONT_FORM_AMOUNT_MISMATCH",
    "28": "RED_FONT_FORM_REASON_NOT_ALLOWED",
    "29": "RED_FONT_FORM_NOT_FOUND",
    "33": "TAX_PLATFORM_REFUSED",
}
"""The patterns whose first form ends the return, and the code with which it does."""


@pytest.mark.parametrize("route", ["form", "simple"])
def test_a_return_goes_well_when_its_number_asks_for_nothing(route: str) -> None:
    play = Play(USUAL, route).ask()
    assert (play.status, play.refused, play.open) == ("returned", [], {})


@pytest.mark.parametrize("route", ["form", "simple"])
@pytest.mark.parametrize("pattern", ENDS)
def test_the_first_form_may_end_a_return_and_the_next_one_is_good(pattern: str, route: str) -> None:
    play = Play(number(pattern), route).ask()
    code = "POSTING_STATUS_CHANGED" if (pattern, route) == ("02", "simple") else ENDS[pattern]
    assert (play.status, play.refusals, play.open) == ("issued", [code], {})
    play.ask(OTHER_FORM)
    assert (play.status, play.refusals) == ("returned", [code])


@pytest.mark.parametrize("route", ["form", "simple"])
@pytest.mark.parametrize("pattern", sorted(PATTERNS.keys() - ENDS.keys()))
def test_on_every_other_path_the_return_comes_to_its_end_with_one_credit_note(pattern: str, route: str) -> None:
    play = Play(number(pattern), route).ask()
    assert (play.status, play.open) == ("returned", {})
    assert play.names["CreditNoteIssued"] == play.names["InvoiceReturned"] == 1


@pytest.mark.parametrize(
    ("pattern", "codes"),
    [
        ("31", {"CREDIT_NOTE_AMOUNT_MISMATCH"}),
        ("32", {"CREDIT_NOTE_NUMBER_MISMATCH"}),
        ("46", {"NO_RETURN_IN_PROGRESS"}),
        ("47", {"CREDIT_NOTE_BEFORE_CONFIRMATION"}),
        ("43", set()),
    ],
)
def test_what_comes_wrong_early_or_late_is_refused_and_changes_nothing(pattern: str, codes: set[str]) -> None:
    assert set(Play(number(pattern), "form").ask().refused) == codes


def test_transient_failures_are_counted_and_the_return_continues() -> None:
    play = Play(number("45"), "form").ask()
    assert (play.status, play.names["ReversalAttemptFailed"]) == ("returned", 4)


def test_a_repeated_request_gets_the_lost_answer_with_the_same_credit_note() -> None:
    play = Play(number("42"), "form").ask()
    assert isinstance(play.scenario.state(play.number), Returned)
    assert max(play.books.asked.values()) == 2
    (filed,) = play.books.forms.values()
    assert filed.credit_note is not None
    assert filed.credit_note.number == _credit_note(play).credit_note_number


def _credit_note(play: Play) -> CreditNoteIssued:
    (note,) = [one for one in play.scenario.streams[play.number] if isinstance(one, CreditNoteIssued)]
    return note


def test_the_platform_never_issues_a_second_credit_note_on_a_form() -> None:
    play = Play(USUAL, "form").ask()
    note = _credit_note(play)
    again = IssueCreditNote(
        request_id="another request",
        invoice_number=USUAL,
        return_id="another return",
        attempt=1,
        form_number=FORM,
        net_amount=note.net_amount,
        tax_amount=note.tax_amount,
    )
    (answer,) = play.answers(again)
    assert isinstance(answer.command, RecordCreditNote)
    assert answer.command.credit_note_number == note.credit_note_number


def test_a_form_that_was_made_for_one_invoice_cannot_serve_another() -> None:
    play = Play(USUAL, "form").ask()
    other = Play(OTHER, "form")
    other.books = play.books
    assert other.ask().refusals == ["RED_FONT_FORM_FOR_OTHER_INVOICE"]


def test_the_page_of_test_numbers_lists_every_pattern_and_its_end() -> None:
    rows = [
        (f"`9999{code}`", sentence, f"refused: `{ENDS[code]}`" if code in ENDS else "returned")
        for code, sentence in PATTERNS.items()
    ]
    table = [tuple(line.strip("| ").split(" | ")) for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [(number, sentence, end.partition(", on the simple")[0]) for number, sentence, end in table] == rows


def test_the_help_lists_every_pattern() -> None:
    assert all(f"9999{code}  {sentence}" in help_text() for code, sentence in PATTERNS.items())


def test_only_numbers_that_say_so_ask_for_anything() -> None:
    assert Play("26000000000000000007", "form").ask().status == "returned"
