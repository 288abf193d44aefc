"""Queries of the status read model."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from projections.answers import Answer

_OF = "select account_id, version, document::text from projections.status where invoice_number = %s"


async def of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Answer | None:
    """Return the status document of an invoice, or None for one not seen."""
    row = await (await connection.execute(_OF, (invoice_number,))).fetchone()
    return None if row is None else Answer(*row)
