"""The details fold, event by event."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given

from events.catalogue import json_of
from events.invoice_events import AnyInvoiceEvent
from projections.details.fold import fold
from projections.details.row import Sequel
from projections.engine.version_gaps import VersionGap
from tests.projections.support import facts, naive


def folded(*events: AnyInvoiceEvent) -> Sequel:
    row = None
    for version, event in enumerate(events, start=1):
        row = fold(row, event, version)
    assert row is not None
    return row


def sequel(*events: AnyInvoiceEvent) -> dict[str, Any]:
    return json.loads(json_of(folded(*events)))


def test_a_return_shows_what_was_asked_for_and_only_the_number_of_its_form_until_it_is_confirmed() -> None:
    asked = sequel(facts.issued(), facts.requested())["return"]
    assert asked == {
        "return_id": "r1",
        "route": "form",
        "phase": "verifying_form",
        "due_earliest": "2026-02-14T00:00:00+08:00",
        "due_latest": "2026-02-25T23:59:59+08:00",
        "overdue": False,
        "attempts": 0,
        "reason": "wrong_amount",
        "remarks": f"of {facts.NUMBER}",
        "form": {"number": facts.FORM},
    }
    confirmed = sequel(facts.issued(), facts.requested(), facts.confirmed())["return"]
    assert confirmed["form"] == json.loads(json_of(facts.form()))
    assert confirmed["phase"] == "issuing_credit_note"


def test_a_simple_return_has_no_reason_remarks_or_form_of_its_own() -> None:
    assert {"reason", "remarks", "form"}.isdisjoint(sequel(facts.issued(), facts.requested_simply())["return"])


def test_who_asked_is_shown_for_a_return_until_its_end_and_for_a_reissue() -> None:
    document = sequel(
        facts.issued(),
        facts.requested(requested_by="clerk-7"),
        facts.confirmed(),
        facts.credited(),
        facts.returned(),
        facts.reissue_requested(requested_by="clerk-8"),
        facts.reissue_refused(),
    )
    assert document["return"]["requested_by"] == "clerk-7"
    assert [reissue["requested_by"] for reissue in document["reissues"]] == ["clerk-8"]


def test_the_documents_of_a_credit_note_are_shown_as_they_came() -> None:
    theirs = [{"format": "ofd", "url": "https://files.example/2.ofd"}]
    row = folded(facts.issued(), facts.requested(), facts.confirmed(), facts.credited(documents=theirs))
    assert json.loads(json_of(row))["credit_note"]["documents"] == theirs


@pytest.mark.parametrize(
    ("before", "refusal", "expected"),
    [
        ([facts.requested()], {"form_number": facts.FORM}, {"number": facts.FORM}),
        ([facts.requested()], {"form_number": facts.FORM, "form_state": "07"}, {"number": facts.FORM, "state": "07"}),
        ([facts.requested()], {}, {"number": facts.FORM}),
        ([facts.requested_simply()], {}, None),
        (
            [facts.requested_simply()],
            {"form_number": facts.FORM, "form_state": "02"},
            {"number": facts.FORM, "state": "02"},
        ),
        (
            [facts.requested(), facts.confirmed()],
            {"form_number": facts.FORM, "form_state": "08"},
            json.loads(json_of(facts.form(state="08"))),
        ),
        (
            [facts.requested(), facts.confirmed()],
            {"form_number": facts.OTHER_FORM, "form_state": "05"},
            {"number": facts.OTHER_FORM, "state": "05"},
        ),
    ],
)
def test_a_refusal_shows_the_form_as_the_tax_side_last_reported_it(
    before: Sequence[AnyInvoiceEvent], refusal: dict[str, str], expected: dict[str, Any] | None
) -> None:
    assert sequel(facts.issued(), *before, facts.refused(**refusal))["return"].get("form") == expected


def test_the_credit_note_is_shown_in_full() -> None:
    assert sequel(facts.issued(), facts.requested(), facts.confirmed(), facts.credited())["credit_note"] == {
        "credit_note_number": facts.CREDIT_NOTE,
        "issued_on": "2026-02-14",
        "form_number": facts.FORM,
        "net_amount": "-100.00",
        "tax_amount": "-6.00",
    }


def test_each_reissue_keeps_its_outcome() -> None:
    returned = (facts.issued(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())
    after = sequel(
        *returned,
        facts.reissue_requested(reissue_id="i1"),
        facts.reissue_refused(reissue_id="i1"),
        facts.reissue_requested(reissue_id="i2", remarks="new title"),
        facts.replaced(reissue_id="i2"),
        facts.reissue_requested(reissue_id="i3"),
    )
    request = {
        "charge_ids": ["c1"],
        "amount": "106.00",
        "kind": "general",
        "buyer": {"name": "B"},
        "requested_at": "2026-02-13T09:30:00Z",
    }
    assert after["reissues"] == [
        request | {"reissue_id": "i1", "state": "refused", "reason": "closed"},
        request
        | {"reissue_id": "i2", "state": "replaced", "remarks": "new title", "replacement_number": facts.REPLACEMENT},
        request | {"reissue_id": "i3", "state": "open"},
    ]
    assert after["replacements"] == [
        {"reissue_id": "i2", "replacement_number": facts.REPLACEMENT, "charge_ids": ["c1"]}
    ]


def test_a_repeated_event_gives_the_very_same_row() -> None:
    row = folded(facts.issued(), facts.requested())
    assert fold(row, facts.requested(), 2) is row


def test_a_gap_in_the_versions_stops_the_fold() -> None:
    with pytest.raises(VersionGap):
        fold(folded(facts.issued()), facts.requested(), 3)
    with pytest.raises(VersionGap):
        fold(None, facts.requested(), 2)


@given(facts.histories())
def test_details_show_one_version_throughout(events: Sequence[AnyInvoiceEvent]) -> None:
    after = sequel(*events)
    assert after["version"] == after["status"]["version"] == len(events)
    assert after["status"] == naive.status_document(events)
    progress = after["status"].get("return", {})
    assert progress.items() <= after.get("return", {}).items()
    assert [one["replacement_number"] for one in after["replacements"]] == after["status"]["replacement_numbers"]
    assert after.get("credit_note", {}).get("credit_note_number") == after["status"].get("credit_note_number")


@given(facts.histories())
def test_a_row_is_read_back_as_it_was_written(events: Sequence[AnyInvoiceEvent]) -> None:
    row = folded(*events)
    assert Sequel.model_validate_json(json_of(row)) == row


def test_parts_of_sealed_events_keep_what_opens_their_texts() -> None:
    document = sequel(
        facts.issued(),
        facts.requested(sealed="of the return"),
        facts.confirmed(),
        facts.credited(sealed="of the credit note"),
        facts.reissue_requested(sealed="of the request"),
        facts.reissue_refused(sealed="of the refusal"),
        facts.reissue_requested(reissue_id="i2"),
        facts.reissue_refused(reissue_id="i2", sealed="of the second refusal"),
    )
    assert document["return"]["sealed"] == "of the return"
    assert document["credit_note"]["sealed"] == "of the credit note"
    assert document["reissues"][0]["sealed"] == ["of the request", "of the refusal"]
    assert document["reissues"][1]["sealed"] == ["of the second refusal"]
    refused = sequel(facts.issued(), facts.requested(), facts.refused(sealed="of the refusal"))
    assert refused["status"]["last_refusal"]["sealed"] == "of the refusal"


def test_an_erasure_says_who_asked_and_why() -> None:
    document = sequel(facts.issued(), facts.erased())
    assert document["erased"] == {"reason": "over", "requested_by": "o", "at": "2026-02-13T09:30:00Z"}
    assert document["status"]["status"]["code"] == "issued"
