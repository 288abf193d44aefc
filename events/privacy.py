"""What the fields of all messages say about people.

A field is named by the kind of value it holds, as in the schemas (``TaxId``), or where that has no name by its owner
and itself (``Charge.description``). A new one has to be classified here: tests/events/test_privacy.py.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from events.schemas import schema

Privacy = Literal["personal", "free text", "pseudonym", "not personal"]
"""personal: names a person or tells them apart in public registers. free text: whatever somebody wrote, so possibly
personal. pseudonym: leads to a person only with what others know. not personal: money, times, codes, our own words."""

_FIELDS: Mapping[Privacy, tuple[str, ...]] = {
    "personal": ("Name", "RequestedBy", "TaxId"),
    "free text": (
        "Charge.description",
        "CommandRefused.message",
        "Detail",
        "ErasureReason",
        "Facts",
        "FreeObject",
        "HttpsUrl",
        "RefuseReissue.reason",
        "ReissueRefused.reason",
        "Remarks",
        "RequestReturn.red_font_form_number",
        "ReturnRefused.message",
        "ReversalAttemptFailed.detail",
    ),
    "pseudonym": (
        "AccountId",
        "ChargeId",
        "CommandId",
        "CommandSource",
        "CreditNoteNumber",
        "EventReference.id",
        "InvoiceNumber",
        "IssueCreditNote.request_id",
        "OpenRedFontForm.request_id",
        "RedFontFormNumber",
        "ReissueId",
        "ReturnId",
        "Sealed",
        "Sha256",
        "VerifyRedFontForm.request_id",
        "VerifyReversal.request_id",
    ),
    "not personal": (
        "Action",
        "Calendar.provisional",
        "Calendar.version",
        "CommandAccepted.invoice_version",
        "CommandAccepted.replayed",
        "CommandParked.place",
        "CommandParked.reason",
        "CommandRefused.invoice_version",
        "CommandRefused.replayed",
        "CommandReleased.discarded",
        "CommandReleased.place",
        "CommandType",
        "Day",
        "DocumentFormat",
        "EndingCode",
        "EventReference.type",
        "FailureCode",
        "InvoiceReturned.business_days_used",
        "InvoiceStatus.original_void",
        "InvoiceStatus.return_complete",
        "InvoiceStatus.version",
        "IssueCreditNote.attempt",
        "Kind",
        "Money",
        "NonNegativeMoney",
        "OpenRedFontForm.attempt",
        "Phase",
        "PositiveMoney",
        "PostingStatus",
        "RedFontForm.reason_code",
        "RedFontForm.state",
        "RefusalCode",
        "ReportReversalFailure.permanent",
        "ReturnProgress.attempts",
        "ReturnProgress.overdue",
        "ReturnReason",
        "ReturnRefused.form_state",
        "ReversalAttemptFailed.attempt",
        "ReversalAttemptFailed.code",
        "Route",
        "SeenPostingStatus",
        "Status.label",
        "StatusCode",
        "Time",
        "VerifyRedFontForm.attempt",
        "VerifyReversal.attempt",
    ),
}
PRIVACY: Mapping[str, Privacy] = {field: privacy for privacy, fields in _FIELDS.items() for field in fields}


def fields_of(name: str) -> Iterator[str]:
    """Yield every field at any depth of a message, by its stored name; a field may come more than once."""
    whole = schema(name)
    yield from _within(name.partition(".")[0], whole, whole.get("$defs", {}))


def _within(owner: str, node: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[str]:
    for field, value in node["properties"].items():
        yield from _behind(f"{owner}.{field}", value, parts)


def _behind(field: str, node: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a field holds: itself, the kind of its value, or the fields of an object or of a list's items."""
    if "items" in node:
        yield from _behind(field, node["items"], parts)
    elif "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        yield from _behind(name, parts[name], parts)
    elif "properties" in node:
        yield from _within(field, node, parts)
    else:
        yield field
