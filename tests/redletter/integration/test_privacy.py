"""The page about personal data names every column that holds any."""

import re

import psycopg

from scripts import privacy_page
from transport.addresses import Addresses

OUR_OWN_WORDS = {
    "amount",
    "answer",
    "being_built_by",
    "code",
    "command_type",
    "consumer",
    "failure",
    "kind",
    "letter_topic",
    "model",
    "name",
    "outcome",
    "phase",
    "posting_status",
    "reason",
    "refusal",
    "replay",
    "route",
    "since",
    "standing",
    "state",
    "status",
    "stopped",
    "told",
    "topic",
    "topic_id",
    "traceparent",
    "type",
    "unread",
    "version",
    "version_num",
    "wrapped",
    "wrapped_by",
}
"""Columns that hold text, whatever the table, and say nothing about people."""
_ROW = re.compile(r"^\| `(redletter|projections)\.(\w+)` \| (.*?) \| (.*?) \|", re.MULTILINE)
_COLUMNS = """
    select c.table_schema, c.table_name, c.column_name from information_schema.columns as c
    join information_schema.tables as t using (table_schema, table_name)
    where t.table_type = 'BASE TABLE' and c.table_schema in ('redletter', 'projections')
        and c.data_type in ('text', 'character varying', 'bytea', 'json', 'jsonb', 'ARRAY', 'uuid')
        and not exists
            (select from pg_inherits where inhrelid = format('%I.%I', c.table_schema, c.table_name)::regclass)
"""
"""Of a table in parts, those of the whole."""


def test_every_column_that_holds_text_is_on_the_page_or_holds_our_own_words(fresh_database: Addresses) -> None:
    page = privacy_page.PAGE.read_text()
    named = {
        (schema, table, column)
        for schema, table, *cells in _ROW.findall(page)
        for cell in cells
        for column in re.findall(r"`(\w+)`", cell)
    }
    with psycopg.connect(fresh_database.database) as connection:
        columns = set(connection.execute(_COLUMNS).fetchall())
    assert named - columns == set()
    assert {column for column in columns - named if column[2] not in OUR_OWN_WORDS} == set()
