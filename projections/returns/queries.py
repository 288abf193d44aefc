"""Pages of open returns: those that are neither refused nor complete, the most urgent first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row
from psycopg.sql import SQL

from events.values import AccountId, InvoiceNumber, Message, ReturnId, Route, Time
from projections.answers import OF_ACCOUNTS, Accounts
from projections.paging import Page, conditions, page_of

OpenPhase = Literal["verifying_form", "opening_form", "issuing_credit_note"]

_PAGE = SQL("""
    select invoice_number, account_id, return_id, route, phase, requested_at, due_earliest, due_latest, overdue,
        attempts, failure, retry_at
    from projections.returns where {} order by due_latest, invoice_number limit %(limit)s
""")
_OPEN = SQL("complete_at is null and ended_at is null")
_FILTERS: dict[LiteralString, str] = {
    OF_ACCOUNTS: "accounts",
    "phase = %(phase)s": "phase",
    "overdue = %(overdue)s": "overdue",
    "(due_latest, invoice_number) > (%(due)s, %(number)s)": "number",
}


class ReturnLine(Message):
    """An open return.

    failure, retry_at: of the last failed attempt, while nothing has come after it.
    """

    invoice_number: InvoiceNumber
    account_id: AccountId
    return_id: ReturnId
    route: Route
    phase: OpenPhase
    requested_at: Time
    due_earliest: Time
    due_latest: Time
    overdue: bool
    attempts: int
    failure: str | None = None
    retry_at: Time | None = None


@dataclass(frozen=True, slots=True)
class ReturnFilter:
    """Which open returns: those after a place in the order, with these filters."""

    accounts: Accounts
    phase: OpenPhase | None
    overdue: bool | None
    after: tuple[datetime, str] | None
    limit: int


async def page(connection: AsyncConnection[TupleRow], wanted: ReturnFilter) -> Page[ReturnLine, tuple[datetime, str]]:
    """Return a page by the end of the time that is left, and the number of the invoice, which has one open return."""
    due, number = wanted.after or (None, None)
    facts: dict[str, Any] = {
        "accounts": None if wanted.accounts is None else list(wanted.accounts),
        "phase": wanted.phase,
        "overdue": wanted.overdue,
        "due": due,
        "number": number,
        "limit": wanted.limit + 1,
    }
    where = SQL(" and ").join([_OPEN, *conditions(_FILTERS, facts)])
    async with connection.cursor(row_factory=class_row(ReturnLine)) as cur:
        rows = await (await cur.execute(_PAGE.format(where), facts)).fetchall()
    return page_of(rows, wanted.limit, lambda line: (line.due_latest, line.invoice_number))
