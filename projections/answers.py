"""What a query on one invoice finds."""

from typing import NamedTuple

from psycopg.sql import SQL

from events.values import Message, Time

OUT_OF_DATE = SQL("""(
    select json_build_object('since', since, 'reason', why)::text from projections.parked
    where model = %(model)s and invoice_number = %(number)s
)""")
"""A column of a query on one invoice: JSON text of `OutOfDate`, or null."""


class OutOfDate(Message):
    """That the read model could not fold an event of the invoice, since when, and why: what it shows is older."""

    since: Time
    reason: str


class MaybeOutOfDate(Message):
    """What an answer about one invoice says beside what it was asked for."""

    out_of_date: OutOfDate | None = None


class Answer(NamedTuple):
    """The JSON text to serve, the account it belongs to, and the version that the read model has reached.

    body: None if the invoice did not exist yet at the moment that was asked about.
    """

    account_id: str
    version: int
    body: str | None


def as_body(shown: str, out_of_date: str | None) -> str:
    """Return the text of a JSON object, with the member ``out_of_date`` where there is something to say."""
    return shown if out_of_date is None else f'{shown[:-1]},"out_of_date":{out_of_date}}}'
