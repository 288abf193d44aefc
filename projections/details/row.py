"""What the details of an invoice consist of.

The row holds its own status document instead of sharing that of the status read model: at any moment the two models
may have reached different versions, and an answer must show one.
"""

from typing import Annotated, Literal

from pydantic import Field

from events.invoice_events import ChargeIds, InvoiceIssued
from events.status import InvoiceStatus, ReturnProgress
from events.values import (
    Buyer,
    CreditNoteNumber,
    Day,
    Documents,
    ErasureReason,
    InvoiceNumber,
    Kind,
    Message,
    Money,
    RedFontForm,
    RedFontFormNumber,
    ReissueId,
    RequestedBy,
    ReturnReason,
    Sealed,
    Time,
)


class NamedForm(Message):
    """A form of which only its number is known, from the request for the return, and perhaps its state."""

    number: RedFontFormNumber
    state: str | None = None


class ReturnDetails(ReturnProgress):
    """The latest return: its progress, what was asked for, and its form as last reported."""

    reason: ReturnReason | None = None
    remarks: str | None = None
    requested_by: RequestedBy | None = None
    form: RedFontForm | NamedForm | None = None
    sealed: Sealed | None = None


class CreditNote(Message):
    """The credit note that reversed the invoice. Amounts are negative or zero."""

    credit_note_number: CreditNoteNumber
    issued_on: Day
    form_number: RedFontFormNumber
    net_amount: Money
    tax_amount: Money
    documents: Documents | None = None
    sealed: Sealed | None = None


class Reissue(Message):
    """A request for a new invoice.

    reason: why it was refused. replacement_number: the new invoice. sealed: the texts of the request and the refusal.
    """

    reissue_id: ReissueId
    state: Literal["open", "refused", "replaced"]
    charge_ids: ChargeIds
    amount: Money
    kind: Kind
    buyer: Buyer
    remarks: str | None = None
    requested_by: RequestedBy | None = None
    requested_at: Time
    reason: str | None = None
    replacement_number: InvoiceNumber | None = None
    sealed: Annotated[tuple[Sealed, ...] | None, Field(strict=False)] = None


class Replacement(Message):
    """A new invoice for charges of this one."""

    reissue_id: ReissueId
    replacement_number: InvoiceNumber
    charge_ids: ChargeIds


class Erasure(Message):
    """That the texts of the invoice were erased: why, on whose request, and when."""

    reason: ErasureReason
    requested_by: RequestedBy
    at: Time


class Sequel(Message):
    """Everything that happened to an invoice, at one version: all of the answer except the invoice itself."""

    status: InvoiceStatus
    return_: Annotated[ReturnDetails | None, Field(alias="return")] = None
    credit_note: CreditNote | None = None
    reissues: Annotated[tuple[Reissue, ...], Field(strict=False)] = ()
    replacements: Annotated[tuple[Replacement, ...], Field(strict=False)] = ()
    erased: Erasure | None = None
    version: int


class InvoiceDetails(Sequel):
    """The whole answer; used only to describe it in the API, since its two parts are joined as text.

    The invoice never changes and may hold a thousand charges, so it is kept as it was published and will be served,
    and not read again for every later event.
    """

    invoice: InvoiceIssued
