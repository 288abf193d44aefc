"""What a query on one invoice finds, and whether an invoice is out of date."""

from typing import LiteralString, NamedTuple

from psycopg.sql import SQL

from events.values import Message, Time

Accounts = frozenset[str] | None
"""Whose invoices a query is about; None is everybody's."""
OF_ACCOUNTS: LiteralString = "account_id = any(%(accounts)s)"
"""A condition of a query that is about some accounts."""
OF_OWNER: LiteralString = "account_id = owner.account_id"
"""The same, in a query that looks at one after another, in the order of an index of each: see `owners`."""
_OUT_OF_DATE = SQL("""(
    select json_build_object('since', since, 'reason', why)::text from projections.parked
    where model = %(model)s and parked.invoice_number = {}
)""")
OUT_OF_DATE = _OUT_OF_DATE.format(SQL("%(number)s"))
"""A column of a query on one invoice: JSON text of `OutOfDate`, or null."""
OUT_OF_DATE_LINE = _OUT_OF_DATE.format(SQL("line.invoice_number"))
"""The same in a list, whose rows are called ``line``."""


def includes(accounts: Accounts, account_id: str) -> bool:
    """Return whether what belongs to an account is meant."""
    return accounts is None or account_id in accounts


def owners(accounts: Accounts) -> SQL:
    """Return what joins the accounts to a query, so that it may look at each alone; nothing where all are meant."""
    return SQL("" if accounts is None else "cross join unnest(%(accounts)s::text[]) as owner (account_id)")


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
