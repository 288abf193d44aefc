"""Read models of one batch share what they make of the same things; of other things, and later, nothing."""

from events.invoice_events import AnyInvoiceEvent
from events.status import InvoiceStatus
from projections.details import fold as details
from projections.engine.sharing import shared, sharing, text_of
from projections.invoices import fold as invoices
from projections.status import fold as status
from tests.projections.support import facts


def test_read_models_that_fold_the_same_events_share_their_status_documents() -> None:
    issued, booked = facts.issued(), facts.posting()
    with sharing():
        first = status.fold(None, issued, 1)
        assert invoices.fold(None, issued, 1) is first
        sequel = details.fold(None, issued, 1)
        second = status.fold(first, booked, 2)
        assert invoices.fold(first, booked, 2) is second
        assert details.fold(sequel, booked, 2).status is second
        assert text_of(first) is text_of(first)


def test_a_row_that_is_another_object_is_folded_for_itself() -> None:
    booked = facts.posting()
    one, other = status.fold(None, facts.issued(), 1), status.fold(None, facts.issued(invoice_number="2" * 20), 1)
    with sharing():
        assert status.fold(one, booked, 2).invoice_number == one.invoice_number
        assert status.fold(other, booked, 2).invoice_number == other.invoice_number
        assert text_of(one) != text_of(other)


def test_nothing_is_kept_from_one_batch_to_the_next() -> None:
    folded: list[AnyInvoiceEvent] = []

    @shared
    def fold(row: InvoiceStatus | None, event: AnyInvoiceEvent, version: int) -> InvoiceStatus:
        folded.append(event)
        return status.fold(row, event, version)

    issued = facts.issued()
    for _ in range(2):
        with sharing():
            fold(None, issued, 1)
            fold(None, issued, 1)
    fold(None, issued, 1)
    fold(None, issued, 1)
    assert len(folded) == 4
