"""The customer's side of a return: requesting it, on the route that kind and posting status decide."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import assert_never

from pydantic import JsonValue

from events.commands import RequestReturn
from events.invoice_events import ReturnRequested
from events.values import Route
from rules.numbers import fold_number, is_number
from rules.route import route_of
from service.invoice.claims import Claims, form_claim, used_form_facts
from service.invoice.decision import Decision
from service.invoice.event_heads import head
from service.invoice.moment import Moment
from service.invoice.refusals import FieldFault, Refusal, fault, refuse, refuse_fields
from service.invoice.state import FormConfirmed, FormOpen, Invoice, Issued, Returned, Reversed

LONGEST_REMARKS = 382
"""Characters of a red invoice's remarks, before folding. Source: docs/tax-rules.md [LQ]."""

_DIGITS = re.compile(r"\d+")
"""Runs of decimal digits of any script: one more digit beside the number makes it another number."""


def request_return(invoice: Invoice, claims: Claims, command: RequestReturn, moment: Moment) -> Decision:
    """Open a return; it cannot be cancelled.

    Refusals: RETURN_ALREADY_IN_PROGRESS, INVOICE_ALREADY_REVERSED, then posting status, fields, claims.
    Source: seed, "Request a refund".
    """
    match invoice:
        case Issued():
            return _request_return(invoice, claims, command, moment)
        case FormOpen() | FormConfirmed():
            return refuse("RETURN_ALREADY_IN_PROGRESS", return_id=invoice.latest.return_id)
        case Reversed() | Returned():
            return refuse("INVOICE_ALREADY_REVERSED")
        case _:
            assert_never(invoice)


def cancel_return(invoice: Invoice) -> Refusal:
    """Refuse, always. Source: seed, "After you submit a return request, it cannot be canceled"."""
    match invoice:
        case FormOpen() | FormConfirmed():
            return refuse("RETURN_CANNOT_BE_CANCELLED", return_id=invoice.latest.return_id)
        case Issued() | Reversed() | Returned():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def _request_return(invoice: Issued, claims: Claims, command: RequestReturn, moment: Moment) -> Decision:
    if refusal := _wrong_posting(invoice, command):
        return refusal
    number = fold_number(command.red_font_form_number)
    policy = moment.policy.general_recorded_route
    route = route_of(invoice.body.kind, invoice.posting.status, policy, has_form=bool(number))
    if faults := list(_faults(invoice, command, number, route)):
        return refuse_fields(faults)
    if holder := claims.holder(form_claim(number)):
        return refuse("RED_FONT_FORM_ALREADY_USED", **used_form_facts(number, holder, invoice.account_id))
    return (_requested(invoice, command, number, route, moment),)


def _wrong_posting(invoice: Issued, command: RequestReturn) -> Refusal | None:
    known, seen = invoice.posting.status, command.posting_status
    if known == "unknown":
        return refuse("POSTING_STATUS_UNKNOWN") if invoice.body.kind == "special" else None
    if seen is None or seen == known:
        return None
    return refuse("POSTING_STATUS_MISMATCH", expected=known, posting_status=seen)


def _why(invoice: Issued, number: str, route: Route) -> tuple[str, dict[str, JsonValue]]:
    """Say why the invoice takes its route, and name the policy switch where that decides."""
    kind, status = invoice.body.kind, invoice.posting.status
    takes = "needs a red-font form" if route == "form" else "is returned without a red-font form"
    if kind == "special" or status != "recorded":
        return f"A {kind} invoice whose posting status is {status} {takes}.", {}
    if number:
        return "A return by a red-font form was chosen by giving its number.", {}
    policy = f"REDLETTER_GENERAL_RECORDED_ROUTE={route}"
    return f"A recorded general invoice {takes} here ({policy}).", {"policy": policy}


def _faults(invoice: Issued, command: RequestReturn, number: str, route: Route) -> Iterator[FieldFault]:
    """Find all faults of the fields, in the order of docs/contract.md#requestreturn."""
    why, facts = _why(invoice, number, route)
    if route == "form":
        yield from _form_faults(command, number, why, facts)
    elif number:
        yield fault("RED_FONT_FORM_NOT_EXPECTED", "red_font_form_number", said=why, **facts)
    length = len(command.remarks or "")
    if length > LONGEST_REMARKS:
        yield fault("REMARKS_TOO_LONG", "remarks", most=LONGEST_REMARKS, length=length)


def _form_faults(command: RequestReturn, number: str, why: str, facts: Mapping[str, JsonValue]) -> Iterator[FieldFault]:
    if not number:
        yield fault("RED_FONT_FORM_NUMBER_REQUIRED", "red_font_form_number", said=why, **facts)
    elif not is_number(number):
        yield fault("RED_FONT_FORM_NUMBER_MALFORMED", "red_font_form_number")
    if command.reason is None:
        yield fault("RETURN_REASON_REQUIRED", "reason", said=why, **facts)
    original = command.invoice_number
    if original not in _DIGITS.findall(unicodedata.normalize("NFKC", command.remarks or "")):
        yield fault("REMARKS_MISSING_ORIGINAL_NUMBER", "remarks", said=why, expected=original, **facts)


def _requested(invoice: Issued, command: RequestReturn, number: str, route: Route, moment: Moment) -> ReturnRequested:
    due = moment.calendar.due(moment.time)
    return ReturnRequested.of_valid(
        **head(invoice, moment),
        return_id=moment.id,
        route=route,
        posting_status=invoice.posting.status,
        reason=command.reason,
        remarks=command.remarks or None,
        red_font_form_number=number or None,
        due_earliest=due.earliest,
        due_latest=due.latest,
        calendar=due.calendar,
        requested_by=command.requested_by,
    )
