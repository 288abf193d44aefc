"""Queries of the details read model."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL

from projections.answers import OUT_OF_DATE, Answer

_OF = SQL("""
    select account_id, version, invoice::text, sequel::text, {}
    from projections.details where invoice_number = %(number)s
""").format(OUT_OF_DATE)


async def of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Answer | None:
    """Return the details of an invoice, or None for one not seen."""
    row = await (await connection.execute(_OF, {"model": "details", "number": invoice_number})).fetchone()
    if row is None:
        return None
    account_id, version, invoice, sequel, out_of_date = row
    return Answer(account_id, version, joined(invoice, sequel), out_of_date)


def joined(invoice: str, sequel: str) -> str:
    """Make one object of two that are kept as JSON text, without reading either."""
    return f'{{"invoice":{invoice},{sequel[1:]}'
