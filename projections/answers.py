"""What a query on one invoice finds, and whether an invoice is out of date."""

from typing import NamedTuple

from psycopg.sql import SQL

from events.values import Message, Time

_OUT_OF_DATE = SQL("""(
    select json_build_object('since', since, 'reason', why)::text from projections.parked
    where model = %(model)s and parked.invoice_number = {}
)""")
OUT_OF_DATE = _OUT_OF_DATE.format(SQL("%(number)s"))
"""A column of a query on one invoice: JSON text of `OutOfDate`, or null."""
OUT_OF_DATE_LINE = _OUT_OF_DATE.format(SQL("line.invoice_number"))
"""The same in a list, whose rows are called ``line``."""


class OutOfDate(Message):
    """That the read model could not fold an event of the invoice, since when, and why: what it shows is older."""

    since: Time
    reason: str


class MaybeOutOfDate(Message):
    """What an answer about one invoice says beside what it was asked for."""

    out_of_date: OutOfDate | None = None


class Answer(NamedTuple):
    """What the read model shows, the account it belongs to, and the version that the read model has reached.

    shown: a JSON object as text; None if the invoice did not exist yet at the moment that was asked about.
    out_of_date: JSON text of `OutOfDate`.
    """

    account_id: str
    version: int
    shown: str | None
    out_of_date: str | None = None

    @property
    def body(self) -> str | None:
        """The text to serve: what is shown, with the member ``out_of_date`` where it is that."""
        if self.shown is None or self.out_of_date is None:
            return self.shown
        return f'{self.shown[:-1]},"out_of_date":{self.out_of_date}}}'
