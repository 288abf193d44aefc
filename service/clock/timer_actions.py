"""What each event asks for: which requests and reminders it opens, and which it closes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from events.catalogue import name_of
from events.commands import LinkReplacement, MarkReturnOverdue
from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceReturned,
    RedFontFormConfirmed,
    ReplacementIssued,
    ReturnDeadlineRevised,
    ReturnOverdue,
    ReturnRefused,
    ReturnRequested,
    ReversalAttemptFailed,
)
from events.tax_requests import IssueCreditNote, OpenRedFontForm, VerifyRedFontForm, VerifyReversal
from events.values import Message

RequestBody = (
    VerifyRedFontForm | OpenRedFontForm | IssueCreditNote | VerifyReversal | MarkReturnOverdue | LinkReplacement
)
TAX_REQUESTS = (VerifyRedFontForm, OpenRedFontForm, IssueCreditNote, VerifyReversal)


@dataclass(frozen=True, slots=True)
class OpenTimer:
    """Something to send, first when it is due, and again until it is closed.

    id: the message's id, the same on every repeat. A tax request's attempt is set when it is sent.
    """

    id: str
    body: RequestBody
    due_at: datetime


@dataclass(frozen=True, slots=True)
class CloseTimer:
    """Something that has its answer, or needs none any more."""

    id: str


@dataclass(frozen=True, slots=True)
class DelayTimer:
    """Something whose next sending is at this time."""

    id: str
    due_at: datetime


TimerAction = OpenTimer | CloseTimer | DelayTimer


def id_of(return_id: str, kind: type[Message]) -> str:
    """Return the id of a request: one for each return and kind."""
    return f"{return_id}-{name_of(kind).removesuffix('.v1')}"


def actions(  # noqa: C901 - one case per event
    event: AnyInvoiceEvent, invoice: InvoiceIssued | None = None
) -> Iterator[TimerAction]:
    """Yield what an event opens, closes and delays. invoice: as it was issued; a request for a return needs it.

    Source: docs/contract.md#tax-requests.
    """
    match event:
        case InvoiceIssued(replaces=replaced) if replaced:
            yield OpenTimer(replaced.reissue_id, _link(event), event.occurred_at)
        case ReplacementIssued():
            yield CloseTimer(event.reissue_id)
        case ReturnRequested():
            yield OpenTimer(
                id_of(event.return_id, _form_request(event)), _about_form(event, invoice), event.occurred_at
            )
            yield OpenTimer(id_of(event.return_id, MarkReturnOverdue), _overdue(event), event.due_latest)
        case RedFontFormConfirmed():
            yield from _closed(event.return_id, VerifyRedFontForm, OpenRedFontForm)
            yield OpenTimer(id_of(event.return_id, IssueCreditNote), _credit_note(event), event.occurred_at)
        case CreditNoteIssued():
            yield from _closed(event.return_id, IssueCreditNote, MarkReturnOverdue)
            yield OpenTimer(id_of(event.return_id, VerifyReversal), _reversal(event), event.occurred_at)
        case ReversalAttemptFailed():
            for kind in (VerifyRedFontForm, OpenRedFontForm, IssueCreditNote):
                yield DelayTimer(id_of(event.return_id, kind), event.retry_at)
        case InvoiceReturned() | ReturnRefused():
            yield from _closed(event.return_id, *TAX_REQUESTS, MarkReturnOverdue)
        case ReturnDeadlineRevised():
            yield DelayTimer(id_of(event.return_id, MarkReturnOverdue), event.due_latest)
        case ReturnOverdue():
            yield from _closed(event.return_id, MarkReturnOverdue)
        case _:
            return


def _closed(return_id: str, *kinds: type[Message]) -> Iterator[CloseTimer]:
    return (CloseTimer(id_of(return_id, kind)) for kind in kinds)


def _form_request(event: ReturnRequested) -> type[OpenRedFontForm]:
    return VerifyRedFontForm if event.route == "form" else OpenRedFontForm


def _about_form(event: ReturnRequested, invoice: InvoiceIssued | None) -> OpenRedFontForm:
    assert invoice is not None  # noqa: S101 - the caller gives it with a request for a return
    kind = _form_request(event)
    form = {"form_number": event.red_font_form_number} if kind is VerifyRedFontForm else {}
    return kind.model_validate(
        {
            "request_id": id_of(event.return_id, kind),
            "invoice_number": event.invoice_number,
            "return_id": event.return_id,
            "attempt": 1,
            "kind": invoice.kind,
            "seller_tax_id": invoice.seller.tax_id,
            "buyer_tax_id": invoice.buyer.tax_id,
            "net_amount": -invoice.net_amount,
            "tax_amount": -invoice.tax_amount,
            **form,
        }
    )


def _credit_note(event: RedFontFormConfirmed) -> IssueCreditNote:
    return IssueCreditNote(
        request_id=id_of(event.return_id, IssueCreditNote),
        invoice_number=event.invoice_number,
        return_id=event.return_id,
        attempt=1,
        form_number=event.form.number,
        net_amount=event.form.net_amount,
        tax_amount=event.form.tax_amount,
    )


def _reversal(event: CreditNoteIssued) -> VerifyReversal:
    return VerifyReversal(
        request_id=id_of(event.return_id, VerifyReversal),
        invoice_number=event.invoice_number,
        return_id=event.return_id,
        attempt=1,
        credit_note_number=event.credit_note_number,
    )


def _overdue(event: ReturnRequested) -> MarkReturnOverdue:
    return MarkReturnOverdue(invoice_number=event.invoice_number, return_id=event.return_id)


def _link(event: InvoiceIssued) -> LinkReplacement:
    replaced = event.replaces
    assert replaced is not None  # noqa: S101 - the caller matched it
    return LinkReplacement(
        invoice_number=replaced.invoice_number,
        reissue_id=replaced.reissue_id,
        replacement_number=event.invoice_number,
    )
