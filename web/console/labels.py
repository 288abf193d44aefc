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
TAB: Mapping[str, str] = {
    "": _("All"),
    "in_progress": _("Return in progress"),
    "attention": _("Needs attention"),
    "ended": _("Reversed or returned"),
}
ATTENTION: Mapping[str, str] = {
    "refused": _("Return refused"),
    "overdue": _("Return overdue"),
    "near_due": _("Due within 24 hours"),
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
COLUMN: Mapping[str, str] = {
    "day": _("Issued on"),
    "buyer": _("Buyer"),
    "kind": _("Type, posting"),
    "account": _("Account"),
    "amount": _("Total"),
}
"""The columns of the list that a reader may hide, by their class."""
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
DEAD_LETTER: Mapping[str, str] = {
    "waiting": _("Waiting"),
    "replaying": _("Being replayed"),
    "replayed": _("Replayed"),
    "discarded": _("Discarded"),
}
REQUEST: Mapping[str, str] = {
    "unsent": _("Not sent yet"),
    "sent": _("Sent once"),
    "repeated": _("Repeated"),
}
"""The state of a tax request that has no answer."""
PART_KIND: Mapping[str, str] = {"server": _("server"), "role": _("role"), "read_model": _("read model")}
PART_NAME: Mapping[str, str] = {
    "log_database": _("database of the log"),
    "read_database": _("database of the read models"),
}
"""The names of parts that are no names of programs or read models."""
PART_STATE: Mapping[str, str] = {
    "running": _("Running"),
    "behind": _("Behind"),
    "out_of_date": _("Out of date"),
    "stopped": _("Stopped"),
    "missing": _("Not running"),
    "away": _("Not reachable"),
    "unknown": _("Unknown"),
}
"""The state of a part of the system, by `parts.PartState`."""
NEXT_STEP: Mapping[str, str] = {
    "READ_MODEL_STOPPED": _("after a fix: redletter projections resume NAME"),
    "INVOICES_OUT_OF_DATE": _("redletter projections parked; after a fix: projections release --all"),
    "INVOICES_PARKED": _("redletter parked list; after a fix: redletter parked release --all"),
    "LOG_DIFFERS": _(
        "one server came back older: bring back its newer copy; if that of PostgreSQL is lost: redletter reconcile"
    ),
    "LOG_AWAY": _("bring its server back; every role waits for it and continues by itself"),
    "LOG_UNPUBLISHED": _("read the logs of the relay, or start one: redletter relay"),
    "PARTITION_NOT_READ": _("redletter positions show; then redletter positions reset"),
    "RECORDS_GONE": _("redletter positions show; a read model of events: projections rebuild NAME"),
    "ROLE_MISSING": _("start it, or find out why it is not running"),
    "API_NOT_READY": _("read its /readyz; start an api, or bring back the server that it names"),
    "CALENDAR_ENDS": _("add the decreed days of the next year to REDLETTER_CALENDAR_FILE"),
    "BEHIND": _("read the logs of its role; start another process of it if it keeps up too slowly"),
    "SERVER_AWAY": _("start it, or find out why it cannot be reached; all roles come back by themselves"),
    "NOT_LISTENING": _("read the log of that api; restart it"),
}
"""What to do, by the code of a reason why the system is degraded, or of the state of a part. `redletter check` says
the same."""
EVENT: Mapping[str, str] = {
    "InvoiceIssued": _("Invoice issued"),
    "PostingStatusChanged": _("Posting status changed"),
    "ReturnRequested": _("Return requested"),
    "RedFontFormConfirmed": _("Red-font Confirmation Form confirmed"),
    "ReversalAttemptFailed": _("Attempt failed; it will be retried"),
    "CreditNoteIssued": _("Credit note issued"),
    "InvoiceReturned": _("Return complete"),
    "ReturnRefused": _("Return refused"),
    "ReturnDeadlineRevised": _("Due dates revised"),
    "ReturnOverdue": _("Return overdue"),
    "ReissueRequested": _("New invoice requested"),
    "ReissueRefused": _("New invoice refused"),
    "ReplacementIssued": _("New invoice issued"),
    "PersonalDataErased": _("Names and texts erased"),
}
REFUSAL: Mapping[str, str] = {
    "INVOICE_NOT_FOUND": _("Invoice not found."),
    "RETURN_ALREADY_IN_PROGRESS": _("This invoice is already being returned. A return takes 1 to 3 business days."),
    "INVOICE_ALREADY_REVERSED": _("This invoice has already been reversed. You can request a new one."),
    "POSTING_STATUS_UNKNOWN": _(
        "It is not known yet whether the buyer has recorded this invoice. Ask your finance department."
    ),
    "POSTING_STATUS_MISMATCH": _("The posting status has changed. Check the form below and submit it again."),
    "RED_FONT_FORM_NUMBER_REQUIRED": _(
        "Enter the number of the Red-font Confirmation Form that your finance department created in the tax system."
    ),
    "RED_FONT_FORM_NUMBER_MALFORMED": _("The number must have exactly 20 digits. Copy it from the form."),
    "RED_FONT_FORM_NOT_EXPECTED": _("This return does not need a Red-font Confirmation Form."),
    "RETURN_REASON_REQUIRED": _("Select a reason for the return."),
    "REMARKS_MISSING_ORIGINAL_NUMBER": _("The remarks must include the original invoice number."),
    "REMARKS_TOO_LONG": _("Remarks can have at most 382 characters."),
    "RED_FONT_FORM_ALREADY_USED": _(
        "This form is already used for another invoice. Use the form created for this one."
    ),
    "RED_FONT_FORM_NOT_FOUND": _("The tax system has no form with this number."),
    "RED_FONT_FORM_FOR_OTHER_INVOICE": _("The form was created for another invoice."),
    "RED_FONT_FORM_KIND_MISMATCH": _("The form was created for a different type of invoice."),
    "RED_FONT_FORM_PARTY_MISMATCH": _("The form names a different seller or buyer."),
    "RED_FONT_FORM_AMOUNT_MISMATCH": _("The form does not reverse the full amount of the invoice."),
    "RED_FONT_FORM_REASON_NOT_ALLOWED": _("The reason on the form does not apply to cloud services."),
    "RED_FONT_FORM_AWAITING_BUYER": _("The buyer has not confirmed the form yet."),
    "RED_FONT_FORM_AWAITING_SELLER": _("The seller has not confirmed the form yet."),
    "RED_FONT_FORM_REJECTED": _("The form was rejected."),
    "RED_FONT_FORM_EXPIRED": _("The form has expired. Ask your finance department for a new one."),
    "RED_FONT_FORM_REVOKED": _("The form was revoked."),
    "RED_FONT_FORM_VOID": _("The form is void."),
    "RED_FONT_FORM_STATE_UNKNOWN": _("The form is in an unknown state."),
    "POSTING_STATUS_CHANGED": _("The buyer has recorded the invoice. Return it with a Red-font Confirmation Form."),
    "ORIGINAL_NOT_RETURNED": _("This invoice has not been returned. Return it first."),
    "ORIGINAL_RETURN_NOT_COMPLETE": _("The return of this invoice is not complete yet."),
    "NO_CHARGES_SELECTED": _("Select at least one charge."),
    "CHARGE_NOT_ON_ORIGINAL": _("Some charges are not on this invoice."),
    "CHARGE_ALREADY_REINVOICED": _("Some charges are already on a new invoice or have been requested."),
    "NOTHING_TO_INVOICE": _("The selected charges add up to zero or less. Select charges with a positive total."),
    "INVOICE_ERASED": _(
        "The names and texts of this invoice were erased after the time for which the law wants them kept. It can be "
        "neither returned nor reissued."
    ),
    "INVOICE_NOT_SEALED": _("This invoice was recorded without sealing: it has no key that could be destroyed."),
    "RETENTION_NOT_OVER": _("The law still wants the texts of this invoice kept."),
    "IDEMPOTENCY_KEY_REUSED": _("This form was already submitted with different contents. Open it again."),
    "MALFORMED_COMMAND": _("Some of what you entered is not valid."),
    "WRONG_CHANNEL": _("This command came on the wrong topic."),
    "INTERNAL_FAULT": _("The request could not be processed because of a fault on our side. Try again later."),
    "INVOICE_PARKED": _("This invoice is on hold because of a fault on our side. Try again later."),
    "INVOICE_ALREADY_REGISTERED": _("An invoice with this number is already on record."),
    "NUMBER_YEAR_MISMATCH": _("The year in the invoice number is not the year of issue."),
    "ISSUED_ON_IMPLAUSIBLE": _("The date of issue is not plausible."),
    "BUYER_TAX_ID_REQUIRED": _("A special invoice needs the buyer's tax ID."),
    "AMOUNTS_DO_NOT_ADD_UP": _("The amounts do not add up."),
    "REISSUE_NOT_FOUND": _("There is no such open request for a new invoice."),
    "REISSUE_CHARGES_MISMATCH": _("The new invoice does not have exactly the requested charges."),
    "CHARGE_ALREADY_INVOICED": _("A charge is already on another invoice."),
    "CHARGE_OF_ANOTHER_ACCOUNT": _("A charge belongs to another account."),
    "OBSERVATION_IN_FUTURE": _("The posting status was observed in the future."),
    "STALE_OBSERVATION": _("A later observation of the posting status is on record."),
    "RETURN_CANNOT_BE_CANCELLED": _("A submitted return cannot be cancelled."),
    "NO_RETURN_IN_PROGRESS": _("No such return of this invoice is in progress."),
    "ISSUED_INVOICE_IMMUTABLE": _("An issued invoice can never be changed. Return it, then request a new one."),
    "RED_FONT_FORM_ALREADY_CONFIRMED": _("The form of this return is already confirmed."),
    "RED_FONT_FORM_NUMBER_MISMATCH": _("This return uses another form."),
    "CREDIT_NOTE_BEFORE_CONFIRMATION": _("The form of this return is not confirmed yet."),
    "CREDIT_NOTE_NUMBER_MISMATCH": _("The credit note does not belong to this return."),
    "CREDIT_NOTE_DATE_IMPLAUSIBLE": _("The date of the credit note is not plausible."),
    "CREDIT_NOTE_AMOUNT_MISMATCH": _("The credit note does not reverse the full amount."),
    "RETURN_NOT_REVERSED": _("No credit note is recorded for this return yet."),
    "RETURN_NOT_OVERDUE": _("This return is not overdue yet."),
    "NOT_ANSWERED_YET": _(
        "Your request has been sent and will be processed, but the reply is taking longer than usual. "
        "The status will update by itself; sending the request again does no harm."
    ),
    "COMMANDS_UNAVAILABLE": _(
        "Requests cannot be accepted right now. Your entries are kept; submit them again in a moment."
    ),
}
"""Of refused requests, and of returns that the tax side refused (docs/contract.md#rules)."""

FIELDS: Mapping[str, str] = {
    "charge_ids": _("Select at least one charge."),
    "name": _("Enter a name."),
    "tax_id": _("A tax ID has 1 to 20 letters or digits."),
}
"""What is wrong with a field that cannot be read."""

SERVERS: Mapping[str, str] = {
    "kafka": _("Kafka is not reachable: requests cannot be sent, and changes will appear later."),
    "database": _("The database is not reachable: nothing new can be shown."),
    "log": _("The database of the log is not reachable: requests are accepted, and decided once it is back."),
    "behind": _("This page is behind: what you see may be a few minutes old."),
    "stopped": _("Part of this page has stopped updating and may be out of date. Requests are still accepted."),
}
