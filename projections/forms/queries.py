"""The query for a red-font form."""

from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.values import InvoiceNumber, Message, RedFontForm, RedFontFormNumber

_OF = """
    select account_id, invoice_number, number, state, active, told from projections.forms where number = %s
    order by active desc, claimed_at desc nulls last, invoice_number limit 1
"""


class FormAnswer(Message):
    """A form, the invoice that claims it or last did, and whether it does.

    form: as the tax side last reported it. state: the bureau's code; absent while only its number is known.
    """

    number: RedFontFormNumber
    state: str | None = None
    invoice_number: InvoiceNumber
    active: bool
    form: RedFontForm | None = None


class FoundForm(NamedTuple):
    """A form, and the account of its invoice."""

    account_id: str
    form: FormAnswer


async def of(connection: AsyncConnection[TupleRow], number: str) -> FoundForm | None:
    """Return what is known of a form, or None for one that was never named."""
    row = await (await connection.execute(_OF, (number,))).fetchone()
    if row is None:
        return None
    account_id, invoice_number, number, state, active, reported = row
    form = RedFontForm.model_validate_json(reported) if reported else None
    if form and state:
        form = form.but(state=state)
    answer = FormAnswer(number=number, state=state, invoice_number=invoice_number, active=active, form=form)
    return FoundForm(account_id, answer)
