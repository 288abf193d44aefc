"""Every refusal of a command: its code, and the sentence that says what to do. Codes are stable; sentences are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

Code = Literal[
    "INVOICE_NOT_FOUND",
    "INVOICE_ALREADY_REGISTERED",
    "NUMBER_YEAR_MISMATCH",
    "ISSUED_ON_IMPLAUSIBLE",
    "BUYER_TAX_ID_REQUIRED",
    "AMOUNTS_DO_NOT_ADD_UP",
    "REISSUE_NOT_FOUND",
    "REISSUE_CHARGES_MISMATCH",
    "CHARGE_ALREADY_INVOICED",
    "CHARGE_OF_ANOTHER_ACCOUNT",
    "OBSERVATION_IN_FUTURE",
    "STALE_OBSERVATION",
    "RETURN_ALREADY_IN_PROGRESS",
    "INVOICE_ALREADY_REVERSED",
    "RETURN_CANNOT_BE_CANCELLED",
    "NO_RETURN_IN_PROGRESS",
    "ISSUED_INVOICE_IMMUTABLE",
    "POSTING_STATUS_UNKNOWN",
    "POSTING_STATUS_MISMATCH",
    "RED_FONT_FORM_NUMBER_REQUIRED",
    "RED_FONT_FORM_NUMBER_MALFORMED",
    "RED_FONT_FORM_NOT_EXPECTED",
    "RETURN_REASON_REQUIRED",
    "REMARKS_MISSING_ORIGINAL_NUMBER",
    "REMARKS_TOO_LONG",
    "RED_FONT_FORM_ALREADY_USED",
    "RED_FONT_FORM_ALREADY_CONFIRMED",
    "RED_FONT_FORM_NUMBER_MISMATCH",
    "CREDIT_NOTE_BEFORE_CONFIRMATION",
    "CREDIT_NOTE_NUMBER_MISMATCH",
    "CREDIT_NOTE_DATE_IMPLAUSIBLE",
    "CREDIT_NOTE_AMOUNT_MISMATCH",
    "RETURN_NOT_REVERSED",
    "RETURN_NOT_OVERDUE",
    "ORIGINAL_NOT_RETURNED",
    "ORIGINAL_RETURN_NOT_COMPLETE",
    "NO_CHARGES_SELECTED",
    "CHARGE_NOT_ON_ORIGINAL",
    "CHARGE_ALREADY_REINVOICED",
    "NOTHING_TO_INVOICE",
]

_SENTENCES: Mapping[Code, str] = {
    "INVOICE_NOT_FOUND": "There is no such invoice in this account. Check the number and the account.",
    "INVOICE_ALREADY_REGISTERED": "The number {invoice_number} is on record already. Register each invoice once, "
    "under a number of its own.",
    "NUMBER_YEAR_MISMATCH": "The invoice number begins with {number_year}, but the invoice was issued on {issued_on}. "
    "Its first two digits are the year of issue: correct one of them.",
    "ISSUED_ON_IMPLAUSIBLE": "An invoice is issued between {earliest}, when digital invoices began, and {latest}, "
    "not on {issued_on}. Correct the date.",
    "BUYER_TAX_ID_REQUIRED": "A special invoice names the buyer's tax id. Add it, or register a general invoice.",
    "AMOUNTS_DO_NOT_ADD_UP": "Net and tax make {net_and_tax}, the charges make {charges}, and the total says {total}. "
    "All three must be the same: correct the amounts.",
    "REISSUE_NOT_FOUND": "The invoice {original_number} has no open reissue {reissue_id} for this account. It was "
    "never requested, was refused, or is replaced already: check which reissue is meant.",
    "REISSUE_CHARGES_MISMATCH": "The new invoice must carry exactly the charges of the reissue {reissue_id}; "
    "its amounts, kind and buyer may differ. Correct the charges.",
    "CHARGE_ALREADY_INVOICED": "The charge {charge_id} already belongs to {said}. Leave it out, or return that "
    "invoice first; name the reissue in replaces if this invoice is the replacement.",
    "CHARGE_OF_ANOTHER_ACCOUNT": "The charge {charge_id} was released from an invoice of another account. Invoice it "
    "to that account, or leave it out.",
    "OBSERVATION_IN_FUTURE": "The posting status cannot have been observed at {observed_at}: it is not yet {latest}. "
    "Set the observer's clock right and observe it again.",
    "STALE_OBSERVATION": "The posting status on record was observed later, at {last_observed_at}. Observe it again "
    "and send what is seen then.",
    "RETURN_ALREADY_IN_PROGRESS": "A return of this invoice is in progress. Wait for it to complete; it takes "
    "1 to 3 business days.",
    "INVOICE_ALREADY_REVERSED": "This invoice is reversed by a credit note and void. Request a reissue of its charges "
    "instead.",
    "RETURN_CANNOT_BE_CANCELLED": "A submitted return cannot be cancelled. Wait for it to complete, then request a "
    "reissue.",
    "NO_RETURN_IN_PROGRESS": "No such return of this invoice is in progress. Check the invoice's status.",
    "ISSUED_INVOICE_IMMUTABLE": "An issued invoice can never be changed, and nothing can be added to its remarks. "
    "Request its return, and when it is reversed request a reissue with the right information.",
    "POSTING_STATUS_UNKNOWN": "It is not known whether this invoice is recorded in the buyer's books, and the way to "
    "return it depends on that. Ask your finance department, and try again when its posting status is on record.",
    "POSTING_STATUS_MISMATCH": "The posting status on record is {expected}, not {posting_status}. Look at the invoice "
    "again and return it as it stands now.",
    "RED_FONT_FORM_NUMBER_REQUIRED": "{said} Give the number of the Red-font Invoice Information Confirmation Form "
    "that your finance department made in the e-tax system.",
    "RED_FONT_FORM_NUMBER_MALFORMED": "The number of a Red-font Invoice Information Confirmation Form is exactly "
    "20 digits 0-9. Copy it from the form.",
    "RED_FONT_FORM_NOT_EXPECTED": "{said} Leave the number of the form out.",
    "RETURN_REASON_REQUIRED": "{said} Select a reason for the return.",
    "REMARKS_MISSING_ORIGINAL_NUMBER": "{said} Write the original invoice number {expected} into the remarks, with no "
    "digit right before or after it.",
    "REMARKS_TOO_LONG": "Remarks have at most {most} characters; these have {length}. Shorten them.",
    "RED_FONT_FORM_ALREADY_USED": "The form {form_number} serves another invoice. Ask your finance department for "
    "the form that was made for this one.",
    "RED_FONT_FORM_ALREADY_CONFIRMED": "This return's form {confirmed} is confirmed already. Go on with its credit "
    "note.",
    "RED_FONT_FORM_NUMBER_MISMATCH": "This return goes by the form {expected}, not {form_number}. Send what belongs to "
    "that form.",
    "CREDIT_NOTE_BEFORE_CONFIRMATION": "The form of this return is not confirmed yet. Confirm it, then record the "
    "credit note again.",
    "CREDIT_NOTE_NUMBER_MISMATCH": "The credit note number {credit_note_number} cannot be this return's: {said}. "
    "Check the number in the tax system.",
    "CREDIT_NOTE_DATE_IMPLAUSIBLE": "A credit note of this invoice is dated between {earliest} and {latest}, not "
    "{issued_on}. Check the date in the tax system.",
    "CREDIT_NOTE_AMOUNT_MISMATCH": "A credit note must reverse the full amount: {expected_net} net and {expected_tax} "
    "tax, not {net} and {tax}. Check it in the tax system; somebody must look.",
    "RETURN_NOT_REVERSED": "No credit note is recorded for this return yet. Record it, then complete the return again.",
    "RETURN_NOT_OVERDUE": "This return is not due before {due_latest}. Send this again after that.",
    "ORIGINAL_NOT_RETURNED": "This invoice is not returned. Request its return first; its charges can be invoiced anew "
    "from Reversed with credit note on.",
    "ORIGINAL_RETURN_NOT_COMPLETE": "The return of this invoice is not complete. Wait until it is Reversed with credit "
    "note, then request the reissue again.",
    "NO_CHARGES_SELECTED": "No charge is selected. Select at least one of the returned invoice's charges.",
    "CHARGE_NOT_ON_ORIGINAL": "Some of the charges are not on this invoice. Select from its own charges only.",
    "CHARGE_ALREADY_REINVOICED": "Some of the charges are on a new invoice, or asked for already. Leave them out; a "
    "charge of a replacement that was returned is reissued from that replacement.",
    "NOTHING_TO_INVOICE": "The selected charges come to {amount}; a new invoice needs more than nothing. Select "
    "charges that come to more.",
}

_ENDINGS: Mapping[str, str] = {
    "RED_FONT_FORM_FOR_OTHER_INVOICE": "The form was made for another invoice. Ask your finance department for a form "
    "for this one, and return the invoice again.",
    "RED_FONT_FORM_KIND_MISMATCH": "The form was made for another kind of invoice. Ask your finance department for a "
    "form that fits, and return the invoice again.",
    "RED_FONT_FORM_PARTY_MISMATCH": "The form names another seller or buyer than the invoice. Ask your finance "
    "department for a form that fits, and return the invoice again.",
    "RED_FONT_FORM_AMOUNT_MISMATCH": "The form does not reverse the full amount of the invoice. Ask your finance "
    "department for a form over the full amount, and return the invoice again.",
    "RED_FONT_FORM_REASON_NOT_ALLOWED": "The form's reason is none that cloud services allow. Ask your finance "
    "department for a form with another reason, and return the invoice again.",
    "RED_FONT_FORM_AWAITING_BUYER": "The buyer has not confirmed the form. Ask your finance department to confirm it, "
    "and return the invoice again.",
    "POSTING_STATUS_CHANGED": "The buyer recorded the invoice meanwhile. Ask your finance department for a Red-font "
    "Invoice Information Confirmation Form, and return the invoice again with its number.",
    "RED_FONT_FORM_AWAITING_SELLER": "The seller has not confirmed the form. Return the invoice again.",
    "RED_FONT_FORM_REJECTED": "The form was rejected. Ask your finance department for a new one, and return the "
    "invoice again.",
    "RED_FONT_FORM_EXPIRED": "The form expired before both sides had confirmed it. Ask your finance department for a "
    "new one, and return the invoice again.",
    "RED_FONT_FORM_REVOKED": "The form was revoked. Ask your finance department for a new one, and return the invoice "
    "again.",
    "RED_FONT_FORM_VOID": "The form is void. Ask your finance department for the reason, and return the invoice again.",
    "RED_FONT_FORM_STATE_UNKNOWN": "The form is in a state that is not known here. Ask your finance department to look "
    "at it in the e-tax system, and return the invoice again.",
    "RED_FONT_FORM_ALREADY_USED": "The form serves another invoice. Return the invoice again.",
    "RED_FONT_FORM_NOT_FOUND": "The tax system knows no such form. Check its number with your finance department, and "
    "return the invoice again.",
}
"""Why the tax side ended a return, and what to do then."""
_ENDED_OTHERWISE = "The tax system refused the return. Ask for help with the code {code}, or return the invoice again."


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer no: nothing changed. details hold the facts, ready for JSON."""

    code: str
    message: str
    details: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field of a command."""

    code: Code
    field: str
    message: str
    facts: Mapping[str, JsonValue]

    def told(self) -> dict[str, JsonValue]:
        """Return the fault as it stands in ``details.faults``."""
        return {"code": self.code, "field": self.field, "message": self.message, **self.facts}


def refuse(code: Code, /, *, said: str = "", **facts: JsonValue) -> Refusal:
    """Refuse with a code and its facts; ``said`` is the part of the sentence that is no fact of its own."""
    return Refusal(code, _SENTENCES[code].format_map({"said": said, **facts}), facts)


def ending(code: str, *, said: str = "") -> str:
    """Say why a return ended and what to do; ``said`` is what the tax side told about a code of its own."""
    sentence = _ENDINGS.get(code) or _ENDED_OTHERWISE.format(code=code)
    return f"{sentence} It said: {said}" if said else sentence


def fault(code: Code, field: str, /, *, said: str = "", **facts: JsonValue) -> FieldFault:
    """Find fault with a field of a command."""
    return FieldFault(code, field, _SENTENCES[code].format_map({"said": said, **facts}), facts)


def refuse_fields(faults: Sequence[FieldFault]) -> Refusal:
    """Refuse for all faults at once, in the order of docs/contract.md#requestreturn; the first gives the code."""
    message = " ".join(fault.message for fault in faults)
    return Refusal(faults[0].code, message, {"faults": [fault.told() for fault in faults]})
