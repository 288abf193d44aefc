"""Pages of charges. Of the rows of all invoices that a charge was ever on, one shows its state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString, get_args

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL

from events.values import ChargeId, InvoiceNumber, Message, Money, ReissueId
from projections.answers import OF_OWNER, Accounts, owners
from projections.paging import Page, conditions, page_of

ChargeState = Literal["invoiced", "released", "reissue_pending"]

# The invoice it is on; else the one that holds it for a new one; else the one that released it last. Events of two
# invoices come in any order, so for a moment the rows of both may have it.
_BETTER: LiteralString = """
    not exists (
        select from projections.charges as other
        where other.charge_id = c.charge_id and other.state <> 'replaced' and other.invoice_number <> c.invoice_number
            and (case other.state when 'invoiced' then 3 when 'reissue_pending' then 2 else 1 end,
                 coalesce(other.released_at, '-infinity'), other.invoice_number)
              > (case c.state when 'invoiced' then 3 when 'reissue_pending' then 2 else 1 end,
                 coalesce(c.released_at, '-infinity'), c.invoice_number)
    )
"""
# Of each state and account its first, and the first of those: so an index serves a page of all of them too.
_PAGE = SQL("""
    select charge_id, amount, state, invoice_number, reissue_id from unnest(%(states)s::text[]) as one (code) {owners}
    cross join lateral (
        select charge_id, amount, state, invoice_number, reissue_id from projections.charges as c
        where state = one.code and {where} order by charge_id limit %(limit)s
    ) as line order by charge_id limit %(limit)s
""")
_FILTERS: dict[LiteralString, str] = {
    OF_OWNER: "accounts",
    "charge_id > %(after)s": "after",
}


class ChargeLine(Message):
    """A charge and its state: on an invoice, free to be invoiced again, or requested."""

    charge_id: ChargeId
    amount: Money
    state: ChargeState
    invoice_number: InvoiceNumber
    reissue_id: ReissueId | None = None


@dataclass(frozen=True, slots=True)
class ChargeFilter:
    """Which charges: those after one in the order of their ids, with these filters."""

    accounts: Accounts
    state: ChargeState | None
    after: str | None
    limit: int


_OF = """
    select charge_id, amount, state, invoice_number, reissue_id from projections.charges
    where invoice_number = %s and state <> 'replaced' order by charge_id
"""


async def of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Sequence[ChargeLine]:
    """Return the charges that an invoice still has, in the order of their ids."""
    rows = await (await connection.execute(_OF, (invoice_number,))).fetchall()
    return [_line(row) for row in rows]


async def page(connection: AsyncConnection[TupleRow], wanted: ChargeFilter) -> Page[ChargeLine, str]:
    """Return a page of charges by id."""
    facts: dict[str, Any] = {
        "accounts": None if wanted.accounts is None else list(wanted.accounts),
        "states": [wanted.state] if wanted.state else list(get_args(ChargeState)),
        "after": wanted.after,
        "limit": wanted.limit + 1,
    }
    where = SQL(" and ").join([*conditions(_FILTERS, facts), SQL(_BETTER)])
    rows = await (await connection.execute(_PAGE.format(owners=owners(wanted.accounts), where=where), facts)).fetchall()
    return page_of([_line(row) for row in rows], wanted.limit, lambda line: line.charge_id)


def _line(row: TupleRow) -> ChargeLine:
    return ChargeLine.model_validate(dict(zip(ChargeLine.model_fields, row, strict=True)))
