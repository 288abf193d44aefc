"""A column reaches PostgreSQL as psycopg would have sent it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from transport.addresses import Addresses
from transport.arrays import ColumnType, binary_array
from transport.clients import postgres

CHINA = timezone(timedelta(hours=8))
COLUMNS: dict[ColumnType, Sequence[object]] = {
    "text": ["", "发票", None, "x" * 5000],
    "bytea": [b"", b"\0\xff", None, b"x" * 4096],
    "uuid": [UUID(int=0), None, UUID(int=2**128 - 1)],
    "int": [0, -(2**31), 2**31 - 1],
    "bigint": [0, -(2**63), 2**63 - 1],
    "bool": [True, False],
    "timestamptz": [
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 2, 13, 9, 30, 0, 1, tzinfo=CHINA),
        datetime(9000, 1, 1, tzinfo=UTC),
    ],
}


@pytest.fixture(scope="module")
def connection(servers: Addresses) -> Iterator[psycopg.Connection]:
    with postgres.connect(servers.database, "test") as connection:
        yield connection


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("length", [0, 1, None])
def test_a_column_is_read_as_it_was_written(
    connection: psycopg.Connection, column: ColumnType, length: int | None
) -> None:
    values = COLUMNS[column][:length]
    query = sql.SQL("select %s::{type}[] = %s::{type}[], %s::{type}[]").format(type=sql.SQL(column))
    array = binary_array(column, values)
    assert connection.execute(query, (array, list(values), array)).fetchone() == (True, list(values))


def test_text_that_no_store_takes_is_refused_as_the_fault_of_its_content(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.DataError) as refused:
        connection.execute("select %s::text[]", (binary_array("text", ["a\0b"]),))
    assert postgres.about_content(refused.value)
    with pytest.raises(UnicodeError) as refused:
        binary_array("text", ["\ud800"])
    assert postgres.about_content(refused.value)
