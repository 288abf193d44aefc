"""Queries of the details read model."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from projections.answers import Answer

_OF = """
    select account_id, version, '{"invoice":' || invoice::text || ',' || substr(sequel::text, 2)
    from projections.details where invoice_number = %s
"""
"""Both parts are kept as JSON text, and one object is made of them without reading either."""


async def of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Answer | None:
    """Return the details of an invoice, or None for one not seen."""
    row = await (await connection.execute(_OF, (invoice_number,))).fetchone()
    return None if row is None else Answer(*row)
