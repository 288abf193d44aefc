"""Queries of the status read model."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL

from projections.answers import OUT_OF_DATE, Answer

_OF = SQL("""
    select account_id, version, document::text, {} from projections.status where invoice_number = %(number)s
""").format(OUT_OF_DATE)


async def of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Answer | None:
    """Return the status document of an invoice, or None for one not seen."""
    row = await (await connection.execute(_OF, {"model": "status", "number": invoice_number})).fetchone()
    return Answer(*row) if row else None
