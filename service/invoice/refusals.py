"""Refusals: a stable code, a sentence that says what to do, and the facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command was refused. details are safe to write as JSON."""

    code: str
    message: str
    details: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


SENTENCES: dict[str, str] = {
    "INVOICE_NOT_FOUND": "There is no such invoice in this account. Check the number and the account.",
    "INVOICE_ALREADY_REGISTERED": "This number is taken by an invoice or a credit note already on record.",
    "NUMBER_YEAR_MISMATCH": "The first two digits of the invoice number must be the year of issued_on.",
    "AMOUNTS_DO_NOT_ADD_UP": "net_amount and tax_amount must add up to total_amount, and so must the charges.",
    "REISSUE_NOT_FOUND": "No open reissue of this invoice has this id.",
    "REISSUE_CHARGES_MISMATCH": "A replacement must carry exactly the charges held for its reissue.",
    "CHARGE_ALREADY_INVOICED": "A charge can be on one invoice only; return that invoice first.",
    "RETURN_ALREADY_IN_PROGRESS": "A return of this invoice is under way already; follow its status.",
    "INVOICE_ALREADY_REVERSED": "This invoice is reversed with a credit note already; request a new invoice for its charges.",
    "NO_RETURN_IN_PROGRESS": "No such return of this invoice is under way.",
    "RETURN_CANNOT_BE_CANCELLED": "A submitted return cannot be cancelled; it completes within 1 to 3 business days.",
    "ISSUED_INVOICE_IMMUTABLE": "An issued invoice cannot be changed, nor its remarks. Return it, and request a reissue with the correct data.",
    "STALE_OBSERVATION": "A later observation of the posting status is on record.",
    "POSTING_STATUS_UNKNOWN": "Whether this invoice is recorded in the buyer's books was never observed. Ask your finance department, and try again once it is known.",
    "POSTING_STATUS_MISMATCH": "The posting status has changed since it was seen. Look at the invoice again.",
    "RED_FONT_FORM_NUMBER_MISMATCH": "This is not the form of the return under way.",
    "RED_FONT_FORM_ALREADY_CONFIRMED": "The form of this return is confirmed already.",
    "RED_FONT_FORM_ALREADY_USED": "The form serves another invoice. Give the number of the form made for this one.",
    "CREDIT_NOTE_BEFORE_CONFIRMATION": "The form of this return is not confirmed yet; send the credit note again after that.",
    "CREDIT_NOTE_NUMBER_MISMATCH": "The credit note's number is not the one on record, or is taken by another document.",
    "CREDIT_NOTE_AMOUNT_MISMATCH": "A credit note must reverse the invoice in full, to the cent.",
    "RETURN_NOT_REVERSED": "There is no credit note yet; the return can be completed only after it.",
    "RETURN_NOT_OVERDUE": "The last due time of this return has not passed.",
    "ORIGINAL_NOT_RETURNED": "A new invoice can be requested only for the charges of a returned one. Return it first.",
    "ORIGINAL_RETURN_NOT_COMPLETE": "Wait until the status is Reversed with credit note; then request the new invoice.",
    "NO_CHARGES_SELECTED": "Select at least one charge of the returned invoice.",
    "CHARGE_NOT_ON_ORIGINAL": "Some of the charges are not on this invoice.",
    "CHARGE_ALREADY_REINVOICED": "Some of the charges are on another invoice, or held for one.",
}


def refuse(code: str, **details: JsonValue) -> Refusal:
    """Return the refusal with a code, its sentence and its facts."""
    return Refusal(code, SENTENCES[code], details)


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One thing that is wrong with one field of a request."""

    code: str
    field: str
    message: str
    facts: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


def refuse_fields(faults: Sequence[FieldFault]) -> Refusal:
    """Return the refusal that lists every fault; the first gives the code."""
    listed: list[JsonValue] = [
        {"code": fault.code, "field": fault.field, "message": fault.message, **fault.facts} for fault in faults
    ]
    return Refusal(faults[0].code, " ".join(fault.message for fault in faults), {"faults": listed})
