"""The codes of refusals. They are stable; new ones may come, so that in what is published each is a plain string."""

from typing import Annotated, Literal, get_args

from pydantic import Field

RecordCode = Literal["WRONG_CHANNEL", "IDEMPOTENCY_KEY_REUSED", "MALFORMED_COMMAND", "INTERNAL_FAULT", "INVOICE_PARKED"]
"""Of a record, whatever its command says."""
RuleCode = Literal[
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
    "INVOICE_ERASED",
    "INVOICE_NOT_SEALED",
    "RETENTION_NOT_OVER",
]
"""Of the rules of the business."""
Code = Literal[RecordCode, RuleCode]
EndingCode = Literal[
    "RED_FONT_FORM_FOR_OTHER_INVOICE",
    "RED_FONT_FORM_KIND_MISMATCH",
    "RED_FONT_FORM_PARTY_MISMATCH",
    "RED_FONT_FORM_AMOUNT_MISMATCH",
    "RED_FONT_FORM_REASON_NOT_ALLOWED",
    "RED_FONT_FORM_AWAITING_BUYER",
    "POSTING_STATUS_CHANGED",
    "RED_FONT_FORM_AWAITING_SELLER",
    "RED_FONT_FORM_REJECTED",
    "RED_FONT_FORM_EXPIRED",
    "RED_FONT_FORM_REVOKED",
    "RED_FONT_FORM_VOID",
    "RED_FONT_FORM_STATE_UNKNOWN",
    "RED_FONT_FORM_ALREADY_USED",
    "RED_FONT_FORM_NOT_FOUND",
]
"""Of returns that the tax side refused. The tax connector may give codes of its own."""

KnownRefusal = Annotated[
    str,
    Field(
        title="RefusalCode",
        description="Why a command was refused. The codes of today are the examples; others may come.",
        examples=[*get_args(RecordCode), *get_args(RuleCode)],
    ),
]
KnownEnding = Annotated[
    str,
    Field(
        title="EndingCode",
        description="Why the tax side ended a return: one of the examples, or a code of the tax connector's own.",
        examples=[*get_args(EndingCode)],
    ),
]
