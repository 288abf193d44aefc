"""What codes mean, in sentences for people. Translated where they are shown; the catalogue has every one.

Labels of statuses are the seed's. A code that is not here is shown as it is.
"""

from collections.abc import Mapping


def _(sentence: str) -> str:
    """Mark a sentence for the catalogue."""
    return sentence


STATUS: Mapping[str, str] = {
    "issued": _("Issued"),
    "return_in_progress": _("Return in progress"),
    "reversed_with_credit_note": _("Reversed with credit note"),
    "returned": _("Returned"),
}
POSTING: Mapping[str, str] = {
    "recorded": _("Recorded"),
    "not_recorded": _("Not recorded"),
    "unknown": _("Unknown"),
}
KIND: Mapping[str, str] = {
    "general": _("General electronic invoice"),
    "special": _("Special electronic VAT invoice"),
}
KIND_IN_SHORT: Mapping[str, str] = {"general": _("General"), "special": _("Special VAT")}
ROUTE: Mapping[str, str] = {"simple": _("Simple return"), "form": _("With a Red-font Confirmation Form")}
PHASE: Mapping[str, str] = {
    "verifying_form": _("Verifying the form"),
    "opening_form": _("Opening the form"),
    "issuing_credit_note": _("Issuing the credit note"),
    "verifying_reversal": _("Verifying the reversal"),
    "complete": _("Complete"),
    "refused": _("Refused"),
}
REASON: Mapping[str, str] = {
    "wrong_information": _("Wrong information"),
    "wrong_invoice_type": _("Wrong type of invoice"),
    "wrong_amount": _("Wrong amount"),
    "wrong_title_or_tax_id": _("Wrong title or tax ID"),
    "service_terminated": _("Service terminated"),
    "sales_allowance": _("Sales allowance"),
    "other": _("Other"),
}
CHARGE: Mapping[str, str] = {
    "invoiced": _("Invoiced"),
    "released": _("Released"),
    "reissue_pending": _("New invoice requested"),
    "replaced": _("On a new invoice"),
}
REISSUE: Mapping[str, str] = {"open": _("Requested"), "refused": _("Refused"), "replaced": _("Issued")}
EVENT: Mapping[str, str] = {
    "InvoiceIssued": _("Invoice issued"),
    "PostingStatusChanged": _("Posting status changed"),
    "ReturnRequested": _("Return requested"),
    "RedFontFormConfirmed": _("Red-font Confirmation Form confirmed"),
    "ReversalAttemptFailed": _("An attempt failed; it will be repeated"),
    "CreditNoteIssued": _("Credit note issued"),
    "InvoiceReturned": _("Return complete"),
    "ReturnRefused": _("Return refused"),
    "ReturnDeadlineRevised": _("Due dates revised"),
    "ReturnOverdue": _("Return overdue"),
    "ReissueRequested": _("New invoice requested"),
    "ReissueRefused": _("New invoice refused"),
    "ReplacementIssued": _("New invoice issued"),
}
REFUSAL: Mapping[str, str] = {
    "INVOICE_NOT_FOUND": _("There is no such invoice."),
    "RETURN_ALREADY_IN_PROGRESS": _("A return of this invoice is in progress already. It takes 1 to 3 business days."),
    "INVOICE_ALREADY_REVERSED": _("This invoice is reversed already. You can request a new one."),
    "POSTING_STATUS_UNKNOWN": _(
        "It is not known whether this invoice is recorded in the buyer's books. Ask your finance department."
    ),
    "POSTING_STATUS_MISMATCH": _("The posting status has changed meanwhile. Check the form below and send it again."),
    "RED_FONT_FORM_NUMBER_REQUIRED": _(
        "Enter the number of the Red-font Confirmation Form that your finance department made in the e-tax system."
    ),
    "RED_FONT_FORM_NUMBER_MALFORMED": _("The number has exactly 20 digits. Copy it from the form."),
    "RED_FONT_FORM_NOT_EXPECTED": _("This return needs no Red-font Confirmation Form."),
    "RETURN_REASON_REQUIRED": _("Select a reason for the return."),
    "REMARKS_MISSING_ORIGINAL_NUMBER": _("The remarks must include the original invoice number."),
    "REMARKS_TOO_LONG": _("Remarks have at most 382 characters."),
    "RED_FONT_FORM_ALREADY_USED": _("This form serves another invoice. Ask for the form made for this one."),
    "RED_FONT_FORM_NOT_FOUND": _("The tax system knows no form of this number."),
    "RED_FONT_FORM_FOR_OTHER_INVOICE": _("The form was made for another invoice."),
    "RED_FONT_FORM_KIND_MISMATCH": _("The form was made for another type of invoice."),
    "RED_FONT_FORM_PARTY_MISMATCH": _("The form names another seller or buyer."),
    "RED_FONT_FORM_AMOUNT_MISMATCH": _("The form does not reverse the full amount of the invoice."),
    "RED_FONT_FORM_REASON_NOT_ALLOWED": _("The reason on the form is not one for cloud services."),
    "RED_FONT_FORM_AWAITING_BUYER": _("The buyer has not confirmed the form yet."),
    "RED_FONT_FORM_AWAITING_SELLER": _("The seller has not confirmed the form yet."),
    "RED_FONT_FORM_REJECTED": _("The form was rejected."),
    "RED_FONT_FORM_EXPIRED": _("The form has expired. Ask your finance department for a new one."),
    "RED_FONT_FORM_REVOKED": _("The form was revoked."),
    "RED_FONT_FORM_VOID": _("The form is void."),
    "RED_FONT_FORM_STATE_UNKNOWN": _("The form is in a state that is not known here."),
    "POSTING_STATUS_CHANGED": _(
        "The buyer recorded the invoice meanwhile. Return it with a Red-font Confirmation Form."
    ),
    "ORIGINAL_NOT_RETURNED": _("This invoice is not returned. Return it first."),
    "ORIGINAL_RETURN_NOT_COMPLETE": _("The return of this invoice is not complete yet."),
    "NO_CHARGES_SELECTED": _("Select at least one charge."),
    "CHARGE_NOT_ON_ORIGINAL": _("Some of the charges are not on this invoice."),
    "CHARGE_ALREADY_REINVOICED": _("Some of the charges are on a new invoice, or asked for already."),
    "NOTHING_TO_INVOICE": _("The selected charges come to nothing. Select charges that come to more."),
    "IDEMPOTENCY_KEY_REUSED": _("This form was sent before with other contents. Open it again."),
    "MALFORMED_COMMAND": _("Something that was entered cannot be read."),
    "NOT_ANSWERED_YET": _(
        "Your request is sent and will be dealt with, but its answer takes long. The status will change by itself; "
        "sending it again does no harm."
    ),
    "COMMANDS_UNAVAILABLE": _("Requests cannot be taken now. What you entered is kept: send it again in a moment."),
}
"""Of refused requests, and of returns that the tax side refused (docs/contract.md#rules)."""

FIELDS: Mapping[str, str] = {
    "charge_ids": _("Select at least one charge."),
    "name": _("Enter a name."),
    "tax_id": _("A tax ID has 1 to 20 letters or digits."),
}
"""What is wrong with a field that cannot be read."""

SERVERS: Mapping[str, str] = {
    "kafka": _("Kafka cannot be reached: requests cannot be sent now, and changes will show later."),
    "database": _("The database cannot be reached: nothing new can be shown now."),
    "behind": _("The page is behind: what you see may be some minutes old."),
    "stopped": _("A part of the page has stopped. Operators know; what it shows may be old."),
}
