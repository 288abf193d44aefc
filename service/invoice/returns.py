"""A return is asked for: by which route, and what the request must say."""

import re
import unicodedata
from collections.abc import Iterator

from events.commands import RequestReturn
from events.invoice_events import ReturnOverdue, ReturnRequested
from events.values import Route
from service.invoice.claims import Claims, form
from service.invoice.decision import Decision, head
from service.invoice.moment import Moment, Policy
from service.invoice.refusals import FieldFault, Refusal, refuse, refuse_fields
from service.invoice.state import Invoice, Issued, Known, ReturnOpen, Reversed

LONGEST_REMARKS = 382
"""Code points, before folding. Source: domain, "Numbers and amounts" [LQ]."""
_FORM_NUMBER = re.compile(r"[0-9]{20}")


def route(known: Known, policy: Policy) -> Route:
    """Return the route that kind and posting status call for.

    Source: seed, "Return a general electronic invoice or a special electronic VAT invoice that is not recorded" and
    "Return a special electronic VAT invoice that is recorded"; for a recorded general one the policy decides.
    """
    if known.posting != "recorded":
        return "simple"
    return "form" if known.body.kind == "special" else policy.general_recorded_route


def request(invoice: Invoice, claims: Claims, command: RequestReturn, moment: Moment) -> Decision:
    """Open a return on its route.

    Refusals: RETURN_ALREADY_IN_PROGRESS, INVOICE_ALREADY_REVERSED; then posting status, fields, claims: the first
    group that fails answers.
    """
    match invoice:
        case ReturnOpen():
            return refuse("RETURN_ALREADY_IN_PROGRESS", return_id=invoice.request.return_id)
        case Reversed():
            return refuse("INVOICE_ALREADY_REVERSED", credit_note_number=invoice.credit_note.credit_note_number)
        case Issued():
            by = route(invoice.known, moment.policy)
            refusal = (
                _posting(invoice.known, command) or _fields(invoice.known, by, command) or _claims(claims, command)
            )
            return refusal or (_requested(invoice, by, command, moment),)


def _requested(invoice: Issued, by: Route, command: RequestReturn, moment: Moment) -> ReturnRequested:
    due = moment.calendar.due(moment.time)
    return ReturnRequested(
        **head(invoice, moment),
        return_id=moment.id,
        route=by,
        posting_status=invoice.known.posting,
        reason=command.reason,
        remarks=command.remarks or None,
        red_font_form_number=command.red_font_form_number or None,
        due_earliest=due.earliest,
        due_latest=due.latest,
        calendar=due.calendar,
    )


def _posting(known: Known, command: RequestReturn) -> Refusal | None:
    if known.posting == "unknown":
        return refuse("POSTING_STATUS_UNKNOWN") if known.body.kind == "special" else None
    if command.posting_status not in (None, known.posting):
        return refuse("POSTING_STATUS_MISMATCH", seen=command.posting_status, on_record=known.posting)
    return None


def _fields(known: Known, by: Route, command: RequestReturn) -> Refusal | None:
    faults = list(_form_route(known, command) if by == "form" else _simple_route(command))
    if len(command.remarks or "") > LONGEST_REMARKS:
        told = f"remarks may have at most {LONGEST_REMARKS} characters."
        faults.append(FieldFault("REMARKS_TOO_LONG", "remarks", told, {"most": LONGEST_REMARKS}))
    return refuse_fields(faults) if faults else None


def _simple_route(command: RequestReturn) -> Iterator[FieldFault]:
    if command.red_font_form_number:
        told = "This return needs no red-font form; leave red_font_form_number out."
        yield FieldFault("RED_FONT_FORM_NOT_EXPECTED", "red_font_form_number", told)


def _form_route(known: Known, command: RequestReturn) -> Iterator[FieldFault]:
    number, original = command.red_font_form_number, known.body.invoice_number
    why = "" if known.body.kind == "special" else " (setting REDLETTER_GENERAL_RECORDED_ROUTE=form)"
    if not number:
        told = f"A recorded invoice{why} needs the number of its Red-font Invoice Information Confirmation Form."
        yield FieldFault("RED_FONT_FORM_NUMBER_REQUIRED", "red_font_form_number", told)
    elif not _FORM_NUMBER.fullmatch(number):
        told = "red_font_form_number must be exactly 20 digits 0-9."
        yield FieldFault("RED_FONT_FORM_NUMBER_MALFORMED", "red_font_form_number", told)
    if command.reason is None:
        yield FieldFault("RETURN_REASON_REQUIRED", "reason", f"A recorded invoice{why} needs a reason for return.")
    if not names(command.remarks or "", original):
        told = f"remarks must contain the original invoice number {original}."
        yield FieldFault("REMARKS_MISSING_ORIGINAL_NUMBER", "remarks", told, {"expected": original})


def names(remarks: str, number: str) -> bool:
    """Tell whether remarks hold a run of exactly the number's digits, full-width digits counting as their own."""
    folded = unicodedata.normalize("NFKC", remarks)
    return re.search(rf"(?<!\d){number}(?!\d)", folded) is not None


def _claims(claims: Claims, command: RequestReturn) -> Refusal | None:
    number = command.red_font_form_number
    if number and claims.holder(form(number)):
        return refuse("RED_FONT_FORM_ALREADY_USED", red_font_form_number=number)
    return None


def cancel(invoice: Invoice) -> Decision:
    """Refuse to cancel. Source: seed, "After you submit a return request, it cannot be canceled"."""
    if isinstance(invoice, ReturnOpen):
        return refuse("RETURN_CANNOT_BE_CANCELLED", return_id=invoice.request.return_id)
    return refuse("NO_RETURN_IN_PROGRESS")


def mark_overdue(invoice: Invoice, moment: Moment) -> Decision:
    """Mark the return once as overdue; work on it goes on.

    Refusals: NO_RETURN_IN_PROGRESS, RETURN_NOT_OVERDUE.
    """
    if not isinstance(invoice, ReturnOpen):
        return refuse("NO_RETURN_IN_PROGRESS")
    due = invoice.request.due_latest
    if moment.time < due:
        return refuse("RETURN_NOT_OVERDUE", due_latest=due.isoformat())
    if invoice.overdue:
        return ()
    return (ReturnOverdue(**head(invoice, moment), return_id=invoice.request.return_id, due_latest=due),)
