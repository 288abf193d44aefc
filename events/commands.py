"""Commands: what other services may order. Each is closed; an unknown field makes it malformed.

The class attribute CHANNEL names the one topic that a command may come on.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from events.topics import Channel
from events.values import (
    AccountId,
    Buyer,
    Calendar,
    Charge,
    ChargeId,
    CreditNoteNumber,
    Day,
    Detail,
    Documents,
    ErasureReason,
    FailureCode,
    FreeObject,
    InvoiceNumber,
    Kind,
    Message,
    Money,
    NonNegativeMoney,
    PositiveMoney,
    PostingStatus,
    RedFontForm,
    RedFontFormNumber,
    ReissueId,
    Remarks,
    Replaces,
    RequestedBy,
    ReturnId,
    ReturnReason,
    SeenPostingStatus,
    Seller,
    Time,
)

MOST_CHARGES = 1000
_CHARGES = "What is charged for; no charge twice."


def _no_repeats(charge_ids: Iterable[str]) -> None:
    repeated = sorted(charge for charge, times in Counter(charge_ids).items() if times > 1)
    if repeated:
        raise PydanticCustomError(
            "redletter_repeated", "must not name a charge twice: {repeated}", {"repeated": ", ".join(repeated)}
        )


class Command(Message):
    """An order about one invoice, which may be refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    CHANNEL: ClassVar[Channel]

    invoice_number: InvoiceNumber


class RegisterInvoice(Command):
    """Billing issued an invoice. Amounts that do not add up are refused, not malformed."""

    CHANNEL = Channel.BILLING

    account_id: AccountId
    kind: Kind
    issued_on: Day
    seller: Seller
    buyer: Buyer
    net_amount: PositiveMoney
    tax_amount: NonNegativeMoney
    total_amount: Money
    charges: Annotated[
        tuple[Charge, ...], Field(min_length=1, max_length=MOST_CHARGES, strict=False, description=_CHARGES)
    ]
    remarks: Remarks | None = None
    replaces: Replaces | None = None
    documents: Documents | None = None

    @field_validator("charges")
    @classmethod
    def _no_charge_twice(cls, charges: tuple[Charge, ...]) -> tuple[Charge, ...]:
        _no_repeats(charge.charge_id for charge in charges)
        return charges


class RefuseReissue(Command):
    """Billing will not issue the replacement; the held charges are free again."""

    CHANNEL = Channel.BILLING

    reissue_id: ReissueId
    reason: Annotated[str, Field(description="Why there will be no new invoice, for people.")]


class RequestReturn(Command):
    """Ask for an issued invoice to be returned; cannot be taken back.

    Number and remarks are plain strings that the rules judge; empty means absent.
    """

    CHANNEL = Channel.CUSTOMER

    account_id: AccountId
    posting_status: SeenPostingStatus | None = None
    red_font_form_number: Annotated[str | None, Field(description="The form's number as it was typed.")] = None
    reason: ReturnReason | None = None
    remarks: Remarks | None = None
    requested_by: RequestedBy | None = None


class RequestReissue(Command):
    """Ask for a new invoice for charges of a returned one. Kind and buyer default to the original's."""

    CHANNEL = Channel.CUSTOMER

    account_id: AccountId
    charge_ids: Annotated[tuple[ChargeId, ...], Field(max_length=MOST_CHARGES, strict=False, description=_CHARGES)]
    kind: Kind | None = None
    buyer: Buyer | None = None
    remarks: Remarks | None = None
    requested_by: RequestedBy | None = None

    @field_validator("charge_ids")
    @classmethod
    def _no_charge_twice(cls, charge_ids: tuple[str, ...]) -> tuple[str, ...]:
        _no_repeats(charge_ids)
        return charge_ids


class CancelReturn(Command):
    """Ask for a return to be cancelled. Always refused: a submitted return cannot be."""

    CHANNEL = Channel.CUSTOMER

    account_id: AccountId
    requested_by: RequestedBy | None = None


class AmendInvoice(Command):
    """Ask for an issued invoice to be changed. Always refused: return and reissue it instead."""

    CHANNEL = Channel.CUSTOMER

    account_id: AccountId
    changes: FreeObject
    requested_by: RequestedBy | None = None


class RecordPostingStatus(Command):
    """The tax side saw whether the buyer has booked the invoice."""

    CHANNEL = Channel.TAX

    posting_status: PostingStatus
    observed_at: Time


class ConfirmRedFontForm(Command):
    """The tax side reports a form and its state; the rules judge both."""

    CHANNEL = Channel.TAX

    return_id: ReturnId | None = None
    form: RedFontForm


class RejectRedFontForm(Command):
    """The tax system knows no such form."""

    CHANNEL = Channel.TAX

    return_id: ReturnId | None = None
    form_number: RedFontFormNumber | None = None


class RecordCreditNote(Command):
    """The tax side issued the credit note of a return. Amounts are negative or zero on a full reversal."""

    CHANNEL = Channel.TAX

    return_id: ReturnId | None = None
    credit_note_number: CreditNoteNumber
    issued_on: Day
    form_number: RedFontFormNumber
    net_amount: Money
    tax_amount: Money
    documents: Documents | None = None


class CompleteReturn(Command):
    """The tax system shows the original as reversed."""

    CHANNEL = Channel.TAX

    credit_note_number: CreditNoteNumber


class ReportReversalFailure(Command):
    """The tax side could not do its part; permanent only once the platform confirmed that no red invoice exists."""

    CHANNEL = Channel.TAX

    return_id: ReturnId
    permanent: Annotated[bool, Field(description="True ends the return; false: the request is sent again.")]
    code: FailureCode
    detail: Detail | None = None


class MarkReturnOverdue(Command):
    """The clock passed the last due time of a return."""

    CHANNEL = Channel.INTERNAL

    return_id: ReturnId


class ReviseDeadline(Command):
    """The clock works out other due dates of an open return, since its days are decreed by now."""

    CHANNEL = Channel.INTERNAL

    return_id: ReturnId
    due_earliest: Time
    due_latest: Time
    calendar: Calendar


class LinkReplacement(Command):
    """The clock saw the invoice that replaces a returned one."""

    CHANNEL = Channel.INTERNAL

    reissue_id: ReissueId
    replacement_number: InvoiceNumber


class EraseInvoice(Command):
    """Ask for the key of an invoice to be destroyed, once the law wants its texts kept no longer."""

    CHANNEL = Channel.INTERNAL

    reason: ErasureReason
    requested_by: RequestedBy


AnyCommand = (
    RegisterInvoice
    | RefuseReissue
    | RequestReturn
    | RequestReissue
    | CancelReturn
    | AmendInvoice
    | RecordPostingStatus
    | ConfirmRedFontForm
    | RejectRedFontForm
    | RecordCreditNote
    | CompleteReturn
    | ReportReversalFailure
    | MarkReturnOverdue
    | ReviseDeadline
    | LinkReplacement
    | EraseInvoice
)
