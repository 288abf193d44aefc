"""Charges, forms, returns and lines of the list: the fold says what a slow look at all events says."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given

from events import invoice_events
from events.catalogue import json_of
from projections.charges import fold as charges
from projections.engine.version_gaps import VersionGap
from projections.forms import fold as forms
from projections.invoices import fold as invoices
from projections.invoices.fold import issued_part
from projections.returns import fold as returns
from projections.status import fold as status
from tests.projections.support import facts

FOLDS = [charges.fold, forms.fold, returns.fold, invoices.fold]


def folded(fold: Any, events: Sequence[invoice_events.AnyInvoiceEvent]) -> Any:
    row = None
    for version, event in enumerate(events, 1):
        row = fold(row, event, version)
    return row


@given(facts.histories())
def test_charges_stand_where_the_last_event_about_them_put_them(
    events: Sequence[invoice_events.AnyInvoiceEvent],
) -> None:
    expected = "invoiced"
    for event in events:
        match event:
            case invoice_events.CreditNoteIssued() | invoice_events.ReissueRefused():
                expected = "released"
            case invoice_events.ReissueRequested():
                expected = "reissue_pending"
            case invoice_events.ReplacementIssued():
                expected = "replaced"
            case _:
                pass
    (charge,) = folded(charges.fold, events).items.values()
    assert (charge.charge_id, charge.amount, charge.state) == ("c1", "106.00", expected)
    assert (charge.released_at is None) == (
        not any(isinstance(event, invoice_events.CreditNoteIssued) for event in events)
    )


@given(facts.histories())
def test_a_form_is_active_from_its_claim_until_a_return_is_refused(
    events: Sequence[invoice_events.AnyInvoiceEvent],
) -> None:
    active: set[str] = set()
    for event in events:
        if isinstance(event, invoice_events.ReturnRequested) and event.red_font_form_number:
            active.add(event.red_font_form_number)
        elif isinstance(event, invoice_events.RedFontFormConfirmed):
            active.add(event.form.number)
        elif isinstance(event, invoice_events.ReturnRefused):
            active = set()
    found = folded(forms.fold, events).items
    assert {number for number, form in found.items() if form.active} == active


def test_a_refused_form_is_shown_with_its_state_even_if_it_was_never_claimed() -> None:
    events = [facts.issued(), facts.requested_simply(), facts.refused(form_number=facts.FORM, form_state="02")]
    assert folded(forms.fold, events).items[facts.FORM] == forms.FormItem(
        facts.FORM, "02", active=False, reported=None, claimed_at=None
    )
    without = [*events[:2], facts.refused(code="TAX_PLATFORM_REFUSED")]
    assert folded(forms.fold, without).items == {}


def test_a_line_of_the_list_carries_the_documents_of_its_invoice() -> None:
    documents = [{"format": "pdf", "url": "https://files.example/1.pdf"}]
    assert json.loads(json_of(issued_part(facts.issued(documents=documents))))["documents"] == documents


@given(facts.histories())
def test_each_return_is_followed_from_its_request_to_its_end(events: Sequence[invoice_events.AnyInvoiceEvent]) -> None:
    found = folded(returns.fold, events).items
    requests = [event for event in events if isinstance(event, invoice_events.ReturnRequested)]
    assert [one.requested_at for one in found.values()] == [event.occurred_at for event in requests]
    for return_id, one in found.items():
        own = [event for event in events if getattr(event, "return_id", None) == return_id]
        kinds = [type(event) for event in own]
        assert one.attempts == kinds.count(invoice_events.ReversalAttemptFailed)
        assert one.overdue == (invoice_events.ReturnOverdue in kinds)
        assert (one.complete_at is not None) == (invoice_events.CreditNoteIssued in kinds)
        assert (one.ended_at is not None) == bool(
            {invoice_events.ReturnRefused, invoice_events.InvoiceReturned} & set(kinds)
        )
        assert (one.refusal is not None) == (invoice_events.ReturnRefused in kinds)
        assert (one.business_days_used is not None) == (invoice_events.InvoiceReturned in kinds)
        decisive = [kind for kind in kinds if kind is not invoice_events.ReturnOverdue]
        assert (one.failure is not None) == (decisive[-1] is invoice_events.ReversalAttemptFailed)


def test_a_return_is_due_when_its_revision_says() -> None:
    revision = facts.revised()
    (one,) = folded(returns.fold, [facts.issued(), facts.requested_simply(), revision]).items.values()
    assert (one.due_earliest, one.due_latest) == (revision.due_earliest, revision.due_latest)


@given(facts.histories())
def test_a_line_of_the_list_has_what_was_issued_and_the_status(
    events: Sequence[invoice_events.AnyInvoiceEvent],
) -> None:
    assert folded(invoices.fold, events) == folded(status.fold, events)
    first = events[0]
    assert isinstance(first, invoice_events.InvoiceIssued)
    issued = issued_part(first)
    assert (issued.total_amount, issued.kind) == (first.total_amount, first.kind)


@pytest.mark.parametrize("fold", FOLDS)
def test_a_repeat_changes_nothing_and_a_gap_stops_the_fold(fold: Any) -> None:
    row = folded(fold, [facts.issued(), facts.posting()])
    assert fold(row, facts.posting(), 2) is row
    with pytest.raises(VersionGap):
        fold(row, facts.confirmed(), 4)
    with pytest.raises(VersionGap):
        fold(None, facts.posting(), 1)
    with pytest.raises(VersionGap):
        fold(None, facts.issued(), 2)


def test_an_erasure_changes_no_charge_no_form_and_no_return() -> None:
    for fold in (charges.fold, forms.fold, returns.fold):
        before = folded(fold, [facts.issued(), facts.requested(), facts.refused()])
        assert fold(before, facts.erased(), 4).items == before.items
