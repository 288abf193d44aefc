"""Events -> the forms that were named for an invoice. A form is active while the invoice has claimed it."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from events.catalogue import json_of
from events.invoice_events import AnyInvoiceEvent, RedFontFormConfirmed, ReturnRefused, ReturnRequested
from events.values import RedFontForm
from projections.engine.items import folding


class FormItem(NamedTuple):
    """A form of one invoice. reported: JSON, as the tax side last reported it. claimed_at: when it was last claimed."""

    number: str
    state: str | None
    active: bool
    reported: str | None
    claimed_at: datetime | None


_Forms = Mapping[str, FormItem]


def changes(forms: _Forms, event: AnyInvoiceEvent) -> _Forms:
    """Return the forms that an event changes. Only a refusal frees a form; one that reversed an invoice stays."""
    match event:
        case ReturnRequested(red_font_form_number=number) if number:
            known = forms.get(number, _only_named(number))
            return {number: known._replace(active=True, claimed_at=event.occurred_at)}
        case RedFontFormConfirmed(form=form):
            return {form.number: _confirmed(form, event.occurred_at)}
        case ReturnRefused():
            return _refused(forms, event)
        case _:
            return {}


def _only_named(number: str) -> FormItem:
    return FormItem(number, None, active=False, reported=None, claimed_at=None)


def _confirmed(form: RedFontForm, claimed_at: datetime) -> FormItem:
    return FormItem(form.number, form.state, active=True, reported=json_of(form).decode(), claimed_at=claimed_at)


def _refused(forms: _Forms, event: ReturnRefused) -> _Forms:
    freed = {number: form._replace(active=False) for number, form in forms.items() if form.active}
    number = event.form_number
    if number is None:
        return freed
    named = freed.get(number) or forms.get(number) or _only_named(number)
    return freed | {number: named._replace(state=event.form_state or named.state)}


fold = folding(changes)
