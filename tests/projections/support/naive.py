"""The status document worked out from all events at once, the slow way, to hold the fold against."""

from collections.abc import Sequence
from typing import Any

from events.invoice_events import AnyInvoiceEvent


def status_document(events: Sequence[AnyInvoiceEvent]) -> dict[str, Any]:
    """Return the document as JSON values."""
    history = [(type(event).__name__, event.model_dump(mode="json", exclude_none=True)) for event in events]
    code = _code(history)
    void = code in ("reversed_with_credit_note", "returned")
    document: dict[str, Any] = {
        "invoice_number": history[0][1]["invoice_number"],
        "account_id": history[0][1]["account_id"],
        "status": {"code": code, "label": code.replace("_", " ").capitalize()},
        "return_complete": void,
        "original_void": void,
        "posting_status": _latest(history, "PostingStatusChanged").get("posting_status", "unknown"),
        "actions": {"issued": ["details", "return"], "return_in_progress": ["details"]}.get(
            code, ["details", "reissue"]
        ),
        "replacement_numbers": [b["replacement_number"] for name, b in history if name == "ReplacementIssued"],
        "version": len(history),
        "as_of": history[-1][1]["occurred_at"],
    }
    begun = [index for index, (name, _) in enumerate(history) if name == "ReturnRequested"]
    if begun:
        document |= _return(history[begun[-1] :])
    if credit_note := _latest(history, "CreditNoteIssued"):
        document["credit_note_number"] = credit_note["credit_note_number"]
    return document


History = Sequence[tuple[str, dict[str, Any]]]


def _code(history: History) -> str:
    became = {
        "InvoiceIssued": "issued",
        "ReturnRequested": "return_in_progress",
        "ReturnRefused": "issued",
        "CreditNoteIssued": "reversed_with_credit_note",
        "InvoiceReturned": "returned",
    }
    return [became[name] for name, _ in history if name in became][-1]


def _latest(history: History, wanted: str) -> dict[str, Any]:
    return next((body for name, body in reversed(history) if name == wanted), dict[str, Any]())


def _return(of_this_return: History) -> dict[str, Any]:
    request = of_this_return[0][1]
    first = "verifying_form" if request["route"] == "form" else "opening_form"
    phases = {
        "ReturnRequested": first,
        "RedFontFormConfirmed": "issuing_credit_note",
        "CreditNoteIssued": "verifying_reversal",
        "InvoiceReturned": "complete",
        "ReturnRefused": "refused",
    }
    names = [name for name, _ in of_this_return]
    progress = {key: request[key] for key in ("return_id", "route", "due_earliest", "due_latest")} | {
        "phase": [phases[name] for name in names if name in phases][-1],
        "overdue": "ReturnOverdue" in names,
        "attempts": names.count("ReversalAttemptFailed"),
    }
    refusal = _latest(of_this_return, "ReturnRefused")
    if not refusal:
        return {"return": progress}
    shown = {key: refusal[key] for key in ("code", "details", "form_number") if key in refusal}
    return {"return": progress, "last_refusal": shown | {"at": refusal["occurred_at"]}}
