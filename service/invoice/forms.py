"""The red-font form that the tax side reports: it confirms the return, or ends it.

A form that does not fit ends the return: the command is accepted, and the event gives the reason.
"""

from typing import assert_never

from events.commands import ConfirmRedFontForm, RejectRedFontForm
from events.invoice_events import (
    AnyInvoiceEvent,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReturnRefused,
)
from events.values import RedFontForm
from service.invoice.claims import Claims
from service.invoice.decision import NOTHING, Decision
from service.invoice.endings import ending
from service.invoice.event_heads import head, return_head
from service.invoice.form_fit import Misfit, find_misfit
from service.invoice.moment import Moment
from service.invoice.refusals import refuse
from service.invoice.state import FormConfirmed, FormOpen, Invoice, Issued, Returned, Reversed


def confirm_form(invoice: Invoice, claims: Claims, command: ConfirmRedFontForm, moment: Moment) -> Decision:
    """Check the form that the tax side reports.

    Refusals: NO_RETURN_IN_PROGRESS, RED_FONT_FORM_ALREADY_CONFIRMED, RED_FONT_FORM_NUMBER_MISMATCH (form route).
    """
    match invoice:
        case FormOpen():
            return _judge(invoice, claims, command, moment)
        case FormConfirmed(confirmed_form=confirmed):
            same = command.form.number == confirmed
            return NOTHING if same else refuse("RED_FONT_FORM_ALREADY_CONFIRMED", confirmed=confirmed)
        case Reversed() | Returned():
            same = command.form.number == invoice.confirmed_form
            return NOTHING if same else refuse("NO_RETURN_IN_PROGRESS")
        case Issued():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def reject_form(invoice: Invoice, command: RejectRedFontForm, moment: Moment) -> Decision:
    """End the return: the tax system has no such form.

    Refusals: NO_RETURN_IN_PROGRESS, RED_FONT_FORM_ALREADY_CONFIRMED, RED_FONT_FORM_NUMBER_MISMATCH (form route).
    """
    match invoice:
        case FormOpen(latest=latest):
            expected, number = latest.form_number, command.form_number
            if expected and number and number != expected:
                return refuse("RED_FONT_FORM_NUMBER_MISMATCH", expected=expected, form_number=number)
            return (_rejected(invoice, number or expected, moment),)
        case FormConfirmed(confirmed_form=confirmed):
            return refuse("RED_FONT_FORM_ALREADY_CONFIRMED", confirmed=confirmed)
        case Issued() | Reversed() | Returned():
            return refuse("NO_RETURN_IN_PROGRESS")
        case _:
            assert_never(invoice)


def _judge(invoice: FormOpen, claims: Claims, command: ConfirmRedFontForm, moment: Moment) -> Decision:
    form, expected = command.form, invoice.latest.form_number
    if expected and form.number != expected:
        return refuse("RED_FONT_FORM_NUMBER_MISMATCH", expected=expected, form_number=form.number)
    misfit = find_misfit(invoice, form, claims)
    if misfit is None:
        return (_confirmed(invoice, form, moment),)
    observed = _recorded(invoice, form, moment) if misfit.code == "POSTING_STATUS_CHANGED" else NOTHING
    return (*observed, _unfit(invoice, form, misfit, moment))


def _confirmed(invoice: FormOpen, form: RedFontForm, moment: Moment) -> RedFontFormConfirmed:
    return RedFontFormConfirmed(
        **return_head(invoice, moment),
        form=form,
    )


def _recorded(invoice: FormOpen, form: RedFontForm, moment: Moment) -> tuple[AnyInvoiceEvent, ...]:
    """Record what the form shows, so that the next return takes the form route; nothing when it is known already."""
    if invoice.posting.status == "recorded":
        return NOTHING
    changed = PostingStatusChanged(
        **head(invoice, moment),
        previous=invoice.posting.status,
        posting_status="recorded",
        observed_at=form.entered_at,
    )
    return (changed,)


def _unfit(invoice: FormOpen, form: RedFontForm, misfit: Misfit, moment: Moment) -> ReturnRefused:
    return ReturnRefused(
        **return_head(invoice, moment),
        code=misfit.code,
        message=ending(misfit.code),
        details=misfit.details,
        form_number=form.number,
        form_state=form.state,
    )


def _rejected(invoice: FormOpen, number: str | None, moment: Moment) -> ReturnRefused:
    return ReturnRefused(
        **return_head(invoice, moment),
        code="RED_FONT_FORM_NOT_FOUND",
        message=ending("RED_FONT_FORM_NOT_FOUND"),
        details={"form_number": number} if number else {},
        form_number=number,
    )
