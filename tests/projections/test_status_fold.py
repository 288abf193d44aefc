"""The status fold, event by event."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given

from events.catalogue import EVENT_TYPES, json_of
from events.invoice_events import AnyInvoiceEvent
from events.status import InvoiceStatus
from projections.engine.version_gaps import VersionGap
from projections.status.fold import fold
from tests.projections.support import facts, naive


def folded(*events: AnyInvoiceEvent) -> InvoiceStatus:
    row = None
    for version, event in enumerate(events, start=1):
        row = fold(row, event, version)
    assert row is not None
    return row


IN_FORCE = ("issued", "Issued", False, ("details", "return"))
UNDER_WAY = ("return_in_progress", "Return in progress", False, ("details",))
REVERSED = ("reversed_with_credit_note", "Reversed with credit note", True, ("details", "reissue"))
RETURNED = ("returned", "Returned", True, ("details", "reissue"))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([facts.issued()], IN_FORCE),
        ([facts.issued(), facts.posting()], IN_FORCE),
        ([facts.issued(), facts.requested()], UNDER_WAY),
        ([facts.issued(), facts.requested(), facts.confirmed()], UNDER_WAY),
        ([facts.issued(), facts.requested(), facts.refused()], IN_FORCE),
        ([facts.issued(), facts.requested(), facts.confirmed(), facts.credited()], REVERSED),
        ([facts.issued(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned()], RETURNED),
    ],
)
def test_status_decides_label_effect_and_actions(
    events: Sequence[AnyInvoiceEvent], expected: tuple[str, str, bool, tuple[str, ...]]
) -> None:
    row = folded(*events)
    assert (row.status.code, row.status.label, row.original_void, row.actions) == expected
    assert row.return_complete == row.original_void


def test_the_status_of_an_issued_invoice_holds_nothing_but_the_invoice() -> None:
    assert json.loads(json_of(folded(facts.issued()))) == {
        "invoice_number": facts.NUMBER,
        "account_id": facts.ACCOUNT,
        "status": {"code": "issued", "label": "Issued"},
        "return_complete": False,
        "original_void": False,
        "posting_status": "unknown",
        "actions": ["details", "return"],
        "replacement_numbers": [],
        "version": 1,
        "as_of": "2026-02-13T09:30:00Z",
    }


@pytest.mark.parametrize(
    ("event", "phase"),
    [
        (facts.requested(), "verifying_form"),
        (facts.requested_simply(), "opening_form"),
        (facts.confirmed(), "issuing_credit_note"),
        (facts.credited(), "verifying_reversal"),
        (facts.returned(), "complete"),
        (facts.refused(), "refused"),
    ],
)
def test_each_step_of_a_return_has_its_phase(event: AnyInvoiceEvent, phase: str) -> None:
    row = folded(facts.issued(), facts.requested(), event)
    assert row.return_ is not None
    assert row.return_.phase == phase


def test_due_times_are_shown_in_the_time_zone_they_were_computed_in() -> None:
    document = json.loads(json_of(folded(facts.issued(), facts.requested())))
    assert document["return"] == {
        "return_id": "r1",
        "route": "form",
        "phase": "verifying_form",
        "due_earliest": "2026-02-14T00:00:00+08:00",
        "due_latest": "2026-02-25T23:59:59+08:00",
        "overdue": False,
        "attempts": 0,
    }


def test_failed_attempts_are_counted_and_an_overdue_return_continues() -> None:
    row = folded(facts.issued(), facts.requested(), facts.attempt_failed(1), facts.overdue(), facts.attempt_failed(2))
    assert row.return_ is not None
    assert (row.return_.attempts, row.return_.overdue, row.return_.phase) == (2, True, "verifying_form")


def test_a_refusal_stays_visible_until_the_next_request_which_begins_afresh() -> None:
    first = (
        facts.issued(),
        facts.requested(),
        facts.attempt_failed(),
        facts.overdue(),
        facts.refused(form_number=facts.FORM),
    )
    assert json.loads(json_of(folded(*first)))["last_refusal"] == {
        "code": "RED_FONT_FORM_EXPIRED",
        "details": {},
        "form_number": facts.FORM,
        "at": "2026-02-13T09:30:00Z",
    }
    again = folded(*first, facts.requested(return_id="r2"))
    assert again.last_refusal is None
    assert again.return_ is not None
    assert (again.return_.return_id, again.return_.attempts, again.return_.overdue) == ("r2", 0, False)


def test_replacements_are_listed_in_order() -> None:
    returned = (facts.issued(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())
    reissues = (facts.reissue_requested(), facts.replaced(), facts.reissue_requested(), facts.reissue_refused())
    later = facts.replaced(replacement_number=facts.REPLACEMENT[::-1])
    assert folded(*returned, *reissues, later).replacement_numbers == (facts.REPLACEMENT, facts.REPLACEMENT[::-1])


def test_a_repeated_event_gives_the_very_same_row() -> None:
    row = folded(facts.issued(), facts.requested(), facts.attempt_failed())
    assert fold(row, facts.attempt_failed(), 3) is row
    assert fold(row, facts.issued(), 1) is row


def test_a_gap_in_the_versions_stops_the_fold() -> None:
    row = folded(facts.issued())
    with pytest.raises(VersionGap, match=f"invoice {facts.NUMBER}: version 3 came after 1"):
        fold(row, facts.requested(), 3)


@pytest.mark.parametrize(("event", "version"), [(facts.issued(), 2), (facts.requested(), 1), (facts.requested(), 2)])
def test_an_invoice_begins_with_its_issue_as_version_one(event: AnyInvoiceEvent, version: int) -> None:
    with pytest.raises(VersionGap):
        fold(None, event, version)


def test_every_event_of_the_catalogue_can_be_folded() -> None:
    every = [
        facts.posting(),
        facts.requested(),
        facts.confirmed(),
        facts.attempt_failed(),
        facts.credited(),
        facts.returned(),
        facts.refused(),
        facts.revised(),
        facts.overdue(),
        facts.reissue_requested(),
        facts.reissue_refused(),
        facts.replaced(),
        facts.erased(),
    ]
    assert {type(event) for event in every} | {type(facts.issued())} == set(EVENT_TYPES.values())
    for event in every:
        assert fold(folded(facts.issued()), event, 2).version == 2


@given(facts.histories())
def test_the_fold_agrees_with_the_document_worked_out_from_all_events(events: Sequence[AnyInvoiceEvent]) -> None:
    for end in range(1, len(events) + 1):
        assert json.loads(json_of(folded(*events[:end]))) == naive.status_document(events[:end])


def test_revised_due_dates_are_the_returns_own() -> None:
    row = folded(facts.issued(), facts.requested(), facts.revised())
    assert row.return_ is not None
    assert (row.return_.due_earliest.isoformat(), row.return_.due_latest.isoformat()) == (
        "2026-02-24T00:00:00+08:00",
        "2026-02-26T23:59:59+08:00",
    )
    assert row.return_.phase == "verifying_form"
