"""Batches: however the records are cut and repeated, the rows are the same."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import json_of
from events.invoice_events import AnyInvoiceEvent
from events.status import InvoiceStatus
from projections.details import fold as details
from projections.details.row import Sequel
from projections.engine.folding import NotAnEvent, by_invoice, fold_batch, read
from projections.engine.version_gaps import VersionGap
from projections.status import fold as status
from tests.projections.support import facts
from tests.projections.support.published import message, messages, record, records
from transport.records import ConsumerRecord, OutgoingRecord, Undecodable

NUMBERS = [f"2631200000000000000{digit}" for digit in range(3)]


@st.composite
def topics(draw: st.DrawFn) -> Sequence[ConsumerRecord]:
    """Draw the events of a few invoices, mixed with one another and in order for each."""
    left = {number: list(messages(draw(facts.histories(number)))) for number in NUMBERS}
    mixed: list[OutgoingRecord] = []
    while any(left.values()):
        number = draw(st.sampled_from([number for number, events in left.items() if events]))
        mixed.append(left[number].pop(0))
    return records(mixed)


@st.composite
def batches(draw: st.DrawFn, of: Sequence[ConsumerRecord]) -> list[Sequence[ConsumerRecord]]:
    """Cut a topic into batches; now and then one begins earlier than the one before ended."""
    cut: list[Sequence[ConsumerRecord]] = []
    reached = 0
    while reached < len(of):
        start = max(0, reached - draw(st.integers(0, 3)))
        reached = draw(st.integers(reached + 1, len(of)))
        cut.append(of[start:reached])
    return cut


@given(st.data())
def test_any_cut_into_batches_with_repeats_gives_the_rows_of_one_event_at_a_time(data: st.DataObject) -> None:
    topic = data.draw(topics())
    one_by_one: dict[str, InvoiceStatus] = {}
    for each in topic:
        fold_batch(status.fold, one_by_one, by_invoice(map(read, [each])))
    in_batches: dict[str, InvoiceStatus] = {}
    for batch in data.draw(batches(topic)):
        fold_batch(status.fold, in_batches, by_invoice(map(read, batch)))
    assert in_batches == one_by_one


@given(st.data())
def test_details_do_not_depend_on_the_cut_either(data: st.DataObject) -> None:
    topic = data.draw(topics())
    whole: dict[str, Sequel] = {}
    fold_batch(details.fold, whole, by_invoice(map(read, topic)))
    in_batches: dict[str, Sequel] = {}
    for batch in data.draw(batches(topic)):
        fold_batch(details.fold, in_batches, by_invoice(map(read, batch)))
    assert in_batches == whole


def test_only_rows_that_changed_are_returned_with_the_events_folded_first_and_last() -> None:
    first, second = (facts.issued(invoice_number=number) for number in NUMBERS[:2])
    rows: dict[str, InvoiceStatus] = {}
    fold_batch(status.fold, rows, by_invoice(map(read, records([message(first, 1)]))))
    topic = records([message(second, 1), message(first, 1), message(facts.posting(invoice_number=NUMBERS[1]), 2)])
    changed = fold_batch(status.fold, rows, by_invoice(map(read, topic)))
    assert [(one.row.invoice_number, one.row.version, one.first.version, one.last.version) for one in changed] == [
        (NUMBERS[1], 2, 1, 2)
    ]


def test_a_row_that_was_loaded_does_not_begin_anew() -> None:
    topic = records(messages([facts.issued(), facts.posting()]))
    rows: dict[str, InvoiceStatus] = {}
    (issued,) = fold_batch(status.fold, rows, by_invoice(map(read, topic[:1])))
    (booked,) = fold_batch(status.fold, rows, by_invoice(map(read, topic[1:])))
    assert (issued.before, booked.before) == (None, issued.row)


def test_an_event_is_never_folded_over_a_missing_one() -> None:
    events: Sequence[AnyInvoiceEvent] = [facts.issued(), facts.requested(), facts.confirmed()]
    topic = records(messages(events))
    with pytest.raises(VersionGap):
        fold_batch(status.fold, {}, by_invoice(map(read, [topic[0], topic[2]])))


def _with(of: OutgoingRecord, **headers: bytes) -> OutgoingRecord:
    kept = [(name, value) for name, value in of.headers if name not in headers]
    return OutgoingRecord(of.topic, of.key, of.value, kept + list(headers.items()))


GOOD = message(facts.issued(), 1)


@pytest.mark.parametrize(
    "strange",
    [
        record(OutgoingRecord(GOOD.topic, GOOD.key, b"{", GOOD.headers), 7),
        record(OutgoingRecord(GOOD.topic, GOOD.key, None, GOOD.headers), 7),
        record(OutgoingRecord(GOOD.topic, GOOD.key, GOOD.value, []), 7),
        record(_with(GOOD, ce_type=b"foreign.InvoiceIssued.v1"), 7),
        record(_with(GOOD, ce_invoiceversion=b"one"), 7),
    ],
)
def test_a_record_that_is_not_a_known_event_stops_the_fold_and_says_where_it_is(strange: ConsumerRecord) -> None:
    with pytest.raises(NotAnEvent, match=r"invoice.events\[0\] offset 7"):
        fold_batch(status.fold, {}, by_invoice(map(read, [strange])))


def test_an_event_of_a_newer_release_stops_the_fold_and_says_so() -> None:
    strange = record(_with(GOOD, ce_type=b"redletter.invoice.InvoiceIssued.v99"), 7)
    with pytest.raises(NotAnEvent, match=r"offset 7 is InvoiceIssued\.v99 of a newer release"):
        fold_batch(status.fold, {}, by_invoice(map(read, [strange])))


@pytest.mark.parametrize(
    "strange",
    [
        record(OutgoingRecord(GOOD.topic, None, GOOD.value, GOOD.headers), 7),
        record(OutgoingRecord(GOOD.topic, b"\xff", GOOD.value, GOOD.headers), 7),
        Undecodable("invoice.events", 0, 7, "a header name is not UTF-8"),
    ],
)
def test_a_record_without_a_readable_key_is_not_an_event(strange: ConsumerRecord | Undecodable) -> None:
    with pytest.raises(NotAnEvent, match=r"invoice.events\[0\] offset 7"):
        read(strange)


def test_an_invoice_is_kept_as_published_and_as_today_where_an_older_body_was_read() -> None:
    published = read(record(GOOD, 7))
    assert published.body_today is published.body
    older = published._replace(type="redletter.invoice.InvoiceIssued.v0", body=b"{}")
    assert older.body_today == json_of(published.event) == GOOD.value
