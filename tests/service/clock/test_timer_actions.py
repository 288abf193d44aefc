"""What each event asks for, and what it settles."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.commands import LinkReplacement, MarkReturnOverdue
from events.invoice_events import AnyInvoiceEvent, ReturnDeadlineRevised
from events.tax_requests import IssueCreditNote, OpenRedFontForm, VerifyRedFontForm, VerifyReversal
from events.values import Calendar
from service.clock.timer_actions import TAX_REQUESTS, CloseTimer, DelayTimer, OpenTimer, RequestBody, actions
from tests.service.support import clock_facts


def opened(event: AnyInvoiceEvent) -> list[RequestBody]:
    return [action.body for action in actions(event, clock_facts.issued()) if isinstance(action, OpenTimer)]


def open_after(events: Iterable[AnyInvoiceEvent]) -> dict[str, RequestBody]:
    """Return what is open after these events."""
    waiting: dict[str, RequestBody] = {}
    for event in events:
        for action in actions(event, clock_facts.issued()):
            if isinstance(action, OpenTimer):
                waiting[action.id] = action.body
            elif isinstance(action, CloseTimer):
                waiting.pop(action.id, None)
    return waiting


def test_a_return_by_the_form_route_has_its_form_verified() -> None:
    request, reminder = opened(clock_facts.requested("form"))
    assert isinstance(request, VerifyRedFontForm)
    assert (request.form_number, request.invoice_number, request.return_id) == (
        clock_facts.FORM,
        clock_facts.NUMBER,
        clock_facts.RETURN,
    )
    assert (request.net_amount, str(request.tax_amount)) == (Decimal("-100.00"), "0.00")
    assert (request.kind, request.buyer_tax_id) == ("special", None)
    assert isinstance(reminder, MarkReturnOverdue)


def test_a_return_by_the_simple_route_has_the_sellers_form_opened() -> None:
    request, _ = opened(clock_facts.requested("simple"))
    assert type(request) is OpenRedFontForm


def test_the_reminder_is_due_at_the_last_due_time_and_the_request_at_once() -> None:
    due = [
        action.due_at
        for action in actions(clock_facts.requested(), clock_facts.issued())
        if isinstance(action, OpenTimer)
    ]
    assert due == [clock_facts.AT, clock_facts.DUE]


def test_a_confirmed_form_leads_to_the_credit_note_and_that_to_its_verification() -> None:
    (note,) = opened(clock_facts.confirmed())
    assert isinstance(note, IssueCreditNote)
    assert (note.form_number, note.net_amount) == (clock_facts.FORM, Decimal("-100.00"))
    (reversal,) = opened(clock_facts.reversed_())
    assert isinstance(reversal, VerifyReversal)
    assert reversal.credit_note_number == clock_facts.NOTE


def test_a_failed_attempt_answers_nothing_and_says_when_to_ask_again() -> None:
    later = [
        action
        for action in actions(clock_facts.failed(retry_at=clock_facts.DUE), clock_facts.issued())
        if isinstance(action, DelayTimer)
    ]
    assert {action.due_at for action in later} == {clock_facts.DUE}
    assert (
        open_after([clock_facts.requested(), clock_facts.failed()]).keys()
        == open_after([clock_facts.requested()]).keys()
    )


def test_a_replacement_is_linked_to_its_original_under_the_id_of_the_reissue() -> None:
    (action,) = actions(clock_facts.issued(replaces=True), clock_facts.issued(replaces=True))
    assert isinstance(action, OpenTimer)
    assert action.id == "reissue-1"
    assert action.body == LinkReplacement(
        invoice_number=clock_facts.ORIGINAL, reissue_id="reissue-1", replacement_number=clock_facts.NUMBER
    )
    assert list(actions(clock_facts.linked(), clock_facts.issued())) == [CloseTimer("reissue-1")]


def test_an_overdue_return_is_marked_once_and_asked_about_as_before() -> None:
    waiting = open_after([clock_facts.requested(), clock_facts.overdue()])
    assert [type(body) for body in waiting.values()] == [VerifyRedFontForm]


def test_a_request_has_the_same_id_on_every_replay() -> None:
    assert list(actions(clock_facts.requested(), clock_facts.issued())) == list(
        actions(clock_facts.requested(), clock_facts.issued())
    )


FAILURES = st.lists(st.just(clock_facts.failed()), max_size=2)


@given(
    route=st.sampled_from(["form", "simple"]),
    steps=st.integers(0, 3),
    failures=FAILURES,
    late=st.booleans(),
    ended=st.booleans(),
)
def test_a_return_has_at_most_one_question_open_and_none_after_its_end(
    route: str, steps: int, failures: list[AnyInvoiceEvent], late: bool, ended: bool
) -> None:
    life: list[AnyInvoiceEvent] = [clock_facts.requested(route), *failures]  # type: ignore[arg-type] - the name of a route
    life += [[clock_facts.overdue()], []][not late]
    life += [clock_facts.confirmed(), clock_facts.reversed_(), clock_facts.returned()][:steps]
    if steps < 2 and ended:
        life.append(clock_facts.refused())
    questions = [body for body in open_after(life).values() if isinstance(body, TAX_REQUESTS)]
    over = steps == 3 or (steps < 2 and ended)
    assert len(questions) == (0 if over else 1)
    assert not over or open_after(life) == {}


def test_revised_due_dates_move_the_reminder() -> None:
    calendar = Calendar(version="2", provisional=False)
    deadline: dict[str, Any] = {"due_earliest": clock_facts.AT, "due_latest": clock_facts.DUE, "calendar": calendar}
    (delay,) = actions(
        ReturnDeadlineRevised(**clock_facts.HEAD, return_id=clock_facts.RETURN, **deadline), clock_facts.issued()
    )
    assert delay == DelayTimer(f"{clock_facts.RETURN}-MarkReturnOverdue", clock_facts.DUE)
