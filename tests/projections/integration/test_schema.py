"""The read tables, beside the log or in a database of their own."""

from typing import Any

import psycopg

from projections import schema
from tests.support.fresh_system import database
from transport.addresses import Addresses

_COLUMNS = """
    select column_name, data_type, is_nullable, column_default from information_schema.columns
    where table_schema = 'redletter' and table_name = 'positions' order by ordinal_position
"""
_REST = """
    select pg_get_constraintdef(c.oid), r.reloptions from pg_constraint as c join pg_class as r on r.oid = c.conrelid
    where r.oid = 'redletter.positions'::regclass and c.contype = 'p'
"""


def positions_table(url: str) -> tuple[Any, ...]:
    with psycopg.connect(url) as connection:
        return tuple(connection.execute(query).fetchall() for query in (_COLUMNS, _REST))


def test_positions_are_kept_alike_beside_the_log_and_beside_the_read_models(
    servers: Addresses, tables: Addresses
) -> None:
    with database(servers) as read_models:
        schema.ensure_read_tables(read_models)
        schema.ensure_read_tables(read_models)
        assert positions_table(read_models) == positions_table(tables.database)
