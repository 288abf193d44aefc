"""What happened to an invoice. Facts are never taken back; a new version of a fact is a new type.

These are stored for ever under the names of `events.catalogue`. A new field must have a default; anything else is a
new version with an upcaster. Readers must ignore unknown fields.
"""

from typing import Annotated

from pydantic import Field

from events.refusal_codes import KnownEnding
from events.values import (
    AccountId,
    Buyer,
    Calendar,
    Charge,
    ChargeId,
    CreditNoteNumber,
    Day,
    Documents,
    ErasureReason,
    Facts,
    InvoiceNumber,
    Kind,
    Message,
    Money,
    PostingStatus,
    RedFontForm,
    RedFontFormNumber,
    ReissueId,
    Remarks,
    Replaces,
    RequestedBy,
    ReturnId,
    ReturnReason,
    Route,
    Sealed,
    SeenPostingStatus,
    Seller,
    Time,
)

ChargeIds = Annotated[tuple[ChargeId, ...], Field(strict=False, description="The charges that it is about.")]


class InvoiceEvent(Message):
    """A fact about one invoice. occurred_at is when the broker took the command that led to it."""

    invoice_number: InvoiceNumber
    account_id: AccountId
    occurred_at: Time


class InvoiceIssued(InvoiceEvent):
    """Billing's invoice is on record. It can never be changed."""

    kind: Kind
    issued_on: Day
    seller: Seller
    buyer: Buyer
    net_amount: Money
    tax_amount: Money
    total_amount: Money
    charges: Annotated[tuple[Charge, ...], Field(strict=False, description="What is charged for; no charge twice.")]
    remarks: Remarks | None = None
    replaces: Replaces | None = None
    documents: Documents | None = None
    sealed: Sealed | None = None


class PostingStatusChanged(InvoiceEvent):
    """The buyer booked the invoice, or took the booking back."""

    previous: SeenPostingStatus
    posting_status: PostingStatus
    observed_at: Time


class ReturnRequested(InvoiceEvent):
    """A return is under way and cannot be cancelled. Nothing is reversed yet."""

    return_id: ReturnId
    route: Route
    posting_status: SeenPostingStatus
    reason: ReturnReason | None = None
    remarks: Remarks | None = None
    red_font_form_number: RedFontFormNumber | None = None
    due_earliest: Time
    due_latest: Time
    calendar: Calendar
    requested_by: RequestedBy | None = None
    sealed: Sealed | None = None


class RedFontFormConfirmed(InvoiceEvent):
    """The form matches the invoice and is usable. No credit note exists yet."""

    return_id: ReturnId
    form: RedFontForm


class ReversalAttemptFailed(InvoiceEvent):
    """The tax side failed for now; the request goes out again at retry_at. attempt counts these from 1."""

    return_id: ReturnId
    attempt: Annotated[int, Field(description="1, 2, 3 ... within the return.")]
    code: Annotated[str, Field(description="Why the tax side failed: a code of the tax connector's own.")]
    detail: Annotated[str | None, Field(description="What the tax side adds, for people.")] = None
    retry_at: Time
    sealed: Sealed | None = None


class CreditNoteIssued(InvoiceEvent):
    """The original is reversed in full and void; its charges are free. The tax system may not show it yet."""

    return_id: ReturnId
    credit_note_number: CreditNoteNumber
    issued_on: Day
    form_number: RedFontFormNumber
    net_amount: Money
    tax_amount: Money
    released_charge_ids: ChargeIds
    documents: Documents | None = None
    sealed: Sealed | None = None


class InvoiceReturned(InvoiceEvent):
    """The tax system shows the reversal. business_days_used counts from the day after the request, inclusive."""

    return_id: ReturnId
    credit_note_number: CreditNoteNumber
    business_days_used: Annotated[int, Field(description="Counted from the day after the request, inclusive.")]


class ReturnRefused(InvoiceEvent):
    """The tax side refused the return; the invoice is as issued and may be returned again. message says what to do."""

    return_id: ReturnId
    code: KnownEnding
    message: Annotated[str, Field(description="Why it was refused and what to do, for people.")]
    details: Facts
    form_number: RedFontFormNumber | None = None
    form_state: Annotated[str | None, Field(description="The bureau's code of the state in which the form is.")] = None
    sealed: Sealed | None = None


class ReturnDeadlineRevised(InvoiceEvent):
    """The return is due at other times than was announced, since its days are decreed by now."""

    return_id: ReturnId
    due_earliest: Time
    due_latest: Time
    calendar: Calendar


class ReturnOverdue(InvoiceEvent):
    """The return is not complete at its last due time. It stays in progress."""

    return_id: ReturnId
    due_latest: Time


class ReissueRequested(InvoiceEvent):
    """Charges of the returned invoice are held for a new one. Nothing is issued yet."""

    reissue_id: ReissueId
    charge_ids: ChargeIds
    amount: Money
    kind: Kind
    buyer: Buyer
    remarks: Remarks | None = None
    requested_by: RequestedBy | None = None
    sealed: Sealed | None = None


class ReissueRefused(InvoiceEvent):
    """Billing will not issue the replacement; the charges are free again."""

    reissue_id: ReissueId
    reason: Annotated[str, Field(description="Why there will be no new invoice, for people.")]
    charge_ids: ChargeIds
    sealed: Sealed | None = None


class ReplacementIssued(InvoiceEvent):
    """The replacement exists; the reissue is closed."""

    reissue_id: ReissueId
    replacement_number: InvoiceNumber
    charge_ids: ChargeIds


class PersonalDataErased(InvoiceEvent):
    """The key of the invoice is destroyed: nobody can open any more what was sealed of it, here or elsewhere."""

    reason: ErasureReason
    requested_by: RequestedBy


AnyInvoiceEvent = (
    InvoiceIssued
    | PostingStatusChanged
    | ReturnRequested
    | RedFontFormConfirmed
    | ReversalAttemptFailed
    | CreditNoteIssued
    | InvoiceReturned
    | ReturnRefused
    | ReturnDeadlineRevised
    | ReturnOverdue
    | ReissueRequested
    | ReissueRefused
    | ReplacementIssued
    | PersonalDataErased
)
