"""Why the tax side ends a return, in sentences that say what to do."""

from collections.abc import Mapping
from typing import cast

from events.refusal_codes import EndingCode

ENDINGS: Mapping[EndingCode, str] = {
    "RED_FONT_FORM_FOR_OTHER_INVOICE": "The form was made for another invoice. Ask your finance department for a form "
    "for this one, and return the invoice again.",
    "RED_FONT_FORM_KIND_MISMATCH": "The form was made for another kind of invoice. Ask your finance department for a "
    "form that fits, and return the invoice again.",
    "RED_FONT_FORM_PARTY_MISMATCH": "The form names another seller or buyer than the invoice. Ask your finance "
    "department for a form that fits, and return the invoice again.",
    "RED_FONT_FORM_AMOUNT_MISMATCH": "The form does not reverse the full amount of the invoice. Ask your finance "
    "department for a form over the full amount, and return the invoice again.",
    "RED_FONT_FORM_REASON_NOT_ALLOWED": "The form's reason is not allowed for cloud services. Ask your finance "
    "department for a form with another reason, and return the invoice again.",
    "RED_FONT_FORM_AWAITING_BUYER": "The buyer has not confirmed the form. Ask your finance department to confirm it, "
    "and return the invoice again.",
    "POSTING_STATUS_CHANGED": "The buyer has recorded the invoice in the meantime. Ask your finance department for a "
    "Red-font Invoice Information Confirmation Form, and return the invoice again with its number.",
    "RED_FONT_FORM_AWAITING_SELLER": "The seller has not confirmed the form. Return the invoice again.",
    "RED_FONT_FORM_REJECTED": "The form was rejected. Ask your finance department for a new one, and return the "
    "invoice again.",
    "RED_FONT_FORM_EXPIRED": "The form expired before both sides had confirmed it. Ask your finance department for a "
    "new one, and return the invoice again.",
    "RED_FONT_FORM_REVOKED": "The form was revoked. Ask your finance department for a new one, and return the invoice "
    "again.",
    "RED_FONT_FORM_VOID": "The form is void. Ask your finance department for the reason, and return the invoice again.",
    "RED_FONT_FORM_STATE_UNKNOWN": "The form is in an unknown state. Ask your finance department to check "
    "it in the e-tax system, and return the invoice again.",
    "RED_FONT_FORM_ALREADY_USED": "The form serves another invoice. Return the invoice again.",
    "RED_FONT_FORM_NOT_FOUND": "The tax system has no such form. Check its number with your finance department, and "
    "return the invoice again.",
}
"""Sentences by the code of ReturnRefused: why the tax side ended the return, and what to do."""
_ENDED_OTHERWISE = "The tax system refused the return. Ask for help with the code {code}, or return the invoice again."


def ending(code: str, *, said: str = "") -> str:
    """Return the message of ReturnRefused. said: what the tax side adds to a code of its own."""
    sentence = ENDINGS.get(cast("EndingCode", code)) or _ENDED_OTHERWISE.format(code=code)
    return f"{sentence} It said: {said}" if said else sentence
