"""What the tax side is asked to do. A repeat carries the same request_id and the next attempt."""

from typing import Annotated

from pydantic import Field

from events.values import (
    CreditNoteNumber,
    InvoiceNumber,
    Kind,
    Message,
    Money,
    RedFontFormNumber,
    ReturnId,
    TaxId,
)


class TaxRequest(Message):
    """A question to the tax connector. request_id is one per return and kind; attempt counts sendings from 1."""

    request_id: Annotated[str, Field(description="The ce_id: one per return and kind, the same on every repeat.")]
    invoice_number: InvoiceNumber
    return_id: ReturnId
    attempt: Annotated[int, Field(ge=1, description="How often this was sent, from 1.")]


class OpenRedFontForm(TaxRequest):
    """Open the seller's own form for a full reversal and answer with the state it then has. Amounts are negative."""

    kind: Kind
    seller_tax_id: TaxId
    buyer_tax_id: TaxId | None = None
    net_amount: Money
    tax_amount: Money


class VerifyRedFontForm(OpenRedFontForm):
    """Read the buyer's form, confirm it for the seller where it waits for that, and answer with its state."""

    form_number: RedFontFormNumber


class IssueCreditNote(TaxRequest):
    """Issue the credit note on the confirmed form. Amounts are negative."""

    form_number: RedFontFormNumber
    net_amount: Money
    tax_amount: Money


class VerifyReversal(TaxRequest):
    """Say when the tax system shows the original as reversed."""

    credit_note_number: CreditNoteNumber


AnyTaxRequest = VerifyRedFontForm | OpenRedFontForm | IssueCreditNote | VerifyReversal
