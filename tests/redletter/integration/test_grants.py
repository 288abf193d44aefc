"""Each role may do in PostgreSQL what `redletter grants` says, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from redletter.database_grants import GRANTED_ROLES, Grant, apply_grants, grants
from service.store import log_tables
from tests.support.granted_roles import let_log_in, logged_in_as
from transport.addresses import Addresses

PRIVILEGES = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
_HELD = """
    select c.relnamespace::regnamespace || '.' || c.relname, p from pg_class as c, unnest(%(privileges)s::text[]) as p
    where c.relnamespace in ('redletter'::regnamespace, 'projections'::regnamespace)
        and c.relkind in ('r', 'p', 'v', 'S')
        and case when c.relkind = 'S' then has_sequence_privilege(%(role)s, c.oid, 'usage, select, update')
            when p in ('delete', 'truncate', 'trigger') then has_table_privilege(%(role)s, c.oid, p)
            else has_any_column_privilege(%(role)s, c.oid, p) end
"""
_READ_TABLES = "select 'projections.' || tablename from pg_tables where schemaname = 'projections'"
FORBIDDEN = (
    ("worker", "update redletter.invoice_events set state = ''"),
    ("worker", "delete from redletter.invoice_events"),
    ("worker", "truncate redletter.replies"),
    ("worker", "insert into redletter.command_ids default values"),
    ("worker", "select from projections.status"),
    ("worker", "select from redletter.sessions"),
    ("worker", "create table redletter.own ()"),
    ("projector", "create table redletter.own ()"),
    ("projector", "create table projections.own ()"),
    ("relay", "insert into redletter.replies default values"),
    ("relay", "delete from redletter.invoice_events"),
    ("relay", "update redletter.replies set value = ''"),
    ("projector", "select from redletter.invoice_events"),
    ("projector", "drop table projections.status"),
    ("clock", "update redletter.invoice_events set state = ''"),
    ("clock", "select from redletter.replies"),
    ("api", "select from redletter.invoice_events"),
    ("api", "update projections.status set version = 1"),
    ("api", "update redletter.sessions set claims = '{}'"),
    ("api", "copy projections.status to program 'true'"),
    ("api", "set role redletter_worker"),
    ("api", "create table own ()"),
)


@pytest.fixture
def granted(tables: Addresses) -> Iterator[Addresses]:
    apply_grants(tables)
    with psycopg.connect(tables.database) as owner:  # as it may be after a change by hand, or an older version
        owner.execute("grant all on all tables in schema redletter, projections to redletter_api, redletter_worker")
        owner.execute("grant update (state) on redletter.invoice_events to redletter_clock")
        owner.execute("grant all on schema redletter, projections to redletter_projector")
        owner.execute("alter default privileges in schema projections grant all on tables to redletter_api")
    apply_grants(tables)
    let_log_in(tables.database)
    yield tables
    with psycopg.connect(tables.database) as owner:
        for role in GRANTED_ROLES:
            owner.execute(f"drop owned by redletter_{role}".encode())


def on_each_table(granted: Grant, read_tables: set[str]) -> Iterator[tuple[str, str]]:
    tables = read_tables if granted.on.startswith("all tables") else {granted.on}
    for privilege in re.findall(r"[a-z]+", re.sub(r"\(.*?\)", "", granted.privileges)):
        yield from ((table, privilege) for table in tables)


async def test_a_role_holds_what_is_said_and_no_more(granted: Addresses) -> None:
    with psycopg.connect(granted.database) as owner:
        read_tables = {table for (table,) in owner.execute(_READ_TABLES)}
        for role in GRANTED_ROLES:
            name = f"redletter_{role}"
            held = set(owner.execute(_HELD, {"role": name, "privileges": list(PRIVILEGES)}).fetchall())
            everything = owner.execute(
                "select oid::regclass::text from pg_class where relkind in ('r', 'p', 'v')"
            ).fetchall()
            read_tables = {table for (table,) in everything if table.startswith("projections.")}
            said = [one for one in grants() if one.role == name and not one.on.startswith("schema")]
            assert held == {found for one in said for found in on_each_table(one, read_tables)}


async def test_a_role_is_refused_the_rest(granted: Addresses) -> None:
    for role, statement in FORBIDDEN:
        with psycopg.connect(logged_in_as(role, granted.database)) as session, pytest.raises(InsufficientPrivilege):
            session.execute(statement.encode())


async def test_the_relay_deletes_what_nothing_needs(granted: Addresses) -> None:
    with psycopg.connect(logged_in_as("relay", granted.database)) as session:
        for statement in (log_tables.DELETE_REPLIES, log_tables.DELETE_DEAD_LETTERS):
            session.execute(statement, {"keep": timedelta(), "rows": 1})


async def test_a_read_table_that_is_put_in_the_place_of_another_is_granted_too(granted: Addresses) -> None:
    with psycopg.connect(granted.database) as owner:
        owner.execute("create table projections.rebuilt ()")
    with psycopg.connect(logged_in_as("api", granted.database)) as session:
        session.execute("select from projections.rebuilt")
        with pytest.raises(InsufficientPrivilege):
            session.execute("delete from projections.rebuilt")


async def test_one_database_under_two_urls_is_granted_as_one(granted: Addresses) -> None:
    apply_grants(replace(granted, read_models=f"{granted.database}?application_name=another"))
    with psycopg.connect(logged_in_as("worker", granted.database)) as session:
        session.execute("select from redletter.claims")
    with psycopg.connect(logged_in_as("api", granted.database)) as session:
        session.execute("select from projections.status")
