"""The status document: the answer to "where is my return?", over HTTP and on the compacted topic."""

from typing import Annotated, Literal

from pydantic import Field

from events.refusal_codes import KnownEnding
from events.values import (
    AccountId,
    CreditNoteNumber,
    Facts,
    InvoiceNumber,
    Message,
    Phase,
    RedFontFormNumber,
    ReturnId,
    Route,
    Sealed,
    SeenPostingStatus,
    StatusCode,
    Time,
)

Action = Annotated[
    Literal["details", "return", "reissue"],
    Field(title="Action", description="What may be done with an invoice."),
]

LABELS: dict[StatusCode, str] = {
    "issued": "Issued",
    "return_in_progress": "Return in progress",
    "reversed_with_credit_note": "Reversed with credit note",
    "returned": "Returned",
}
ACTIONS: dict[StatusCode, tuple[Action, ...]] = {
    "issued": ("details", "return"),
    "return_in_progress": ("details",),
    "reversed_with_credit_note": ("details", "reissue"),
    "returned": ("details", "reissue"),
}
"""What may be done follows from the status alone."""
FIRST_PHASES: dict[Route, Phase] = {"form": "verifying_form", "simple": "opening_form"}
"""The phase in which a return begins, by its route."""


class Status(Message):
    """A status: its stable code and its English label."""

    code: StatusCode
    label: Annotated[str, Field(description="The status in English, for people.")]


class ReturnProgress(Message):
    """The latest return, kept after its end. attempts counts the transient failures so far."""

    return_id: ReturnId
    route: Route
    phase: Phase
    due_earliest: Time
    due_latest: Time
    overdue: Annotated[bool, Field(description="Whether it was not complete when it was last due.")]
    attempts: Annotated[int, Field(description="How often the tax side has failed so far.")]


class LastRefusal(Message):
    """Why the tax side refused the latest return; gone once a new one is requested."""

    code: KnownEnding
    details: Facts
    form_number: RedFontFormNumber | None = None
    at: Time
    sealed: Sealed | None = None


class InvoiceStatus(Message):
    """Where an invoice stands. version is that of the last event folded in, as_of that event's time.

    Optional fields are left out when there is nothing to say.
    """

    invoice_number: InvoiceNumber
    account_id: AccountId
    status: Status
    return_complete: Annotated[bool, Field(description="Whether a credit note has reversed the invoice.")]
    original_void: Annotated[bool, Field(description="Whether the invoice is void.")]
    posting_status: SeenPostingStatus
    actions: Annotated[tuple[Action, ...], Field(strict=False, description="What may be done with the invoice now.")]
    return_: Annotated[ReturnProgress | None, Field(alias="return")] = None
    last_refusal: LastRefusal | None = None
    credit_note_number: CreditNoteNumber | None = None
    replacement_numbers: Annotated[
        tuple[InvoiceNumber, ...], Field(strict=False, description="The new invoices for its charges.")
    ] = ()
    version: Annotated[int, Field(description="Of the last event that is in this document.")]
    as_of: Time
