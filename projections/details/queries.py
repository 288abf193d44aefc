"""Queries of the details read model."""

from collections.abc import Mapping, Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL
from pydantic import TypeAdapter

from projections.answers import OUT_OF_DATE, Answer
from projections.details.row import Reissue

_OF = SQL("""
    select account_id, version, invoice::text, sequel::text, {}
    from projections.details where invoice_number = %(number)s
""").format(OUT_OF_DATE)
_REISSUES = """
    select invoice_number, sequel->>'reissues' from projections.details
    where invoice_number = any(%s) and sequel->>'reissues' is not null
"""
_REISSUE_LIST = TypeAdapter(tuple[Reissue, ...])


async def of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Answer | None:
    """Return the details of an invoice, or None for one not seen."""
    row = await (await connection.execute(_OF, {"model": "details", "number": invoice_number})).fetchone()
    if row is None:
        return None
    account_id, version, invoice, sequel, out_of_date = row
    return Answer(account_id, version, joined(invoice, sequel), out_of_date)


async def reissues(
    connection: AsyncConnection[TupleRow], invoice_numbers: Sequence[str]
) -> Mapping[str, Sequence[Reissue]]:
    """Return the requests for new invoices, by the number of the returned invoice, oldest first."""
    found = await (await connection.execute(_REISSUES, (list(invoice_numbers),))).fetchall()
    return {number: _REISSUE_LIST.validate_json(written, strict=False) for number, written in found}


def joined(invoice: str, sequel: str) -> str:
    """Make one object of two that are kept as JSON text, without reading either."""
    return f'{{"invoice":{invoice},{sequel[1:]}'
