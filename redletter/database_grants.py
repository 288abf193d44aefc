"""What each role has to be allowed in PostgreSQL: no more. Whoever runs `migrate` owns the tables, and grants this."""

from collections.abc import Iterator, Sequence
from typing import LiteralString, NamedTuple

from psycopg.sql import SQL, Composed, Identifier

from transport.clients.postgres import connect

GRANTED_ROLES = ("worker", "relay", "projector", "clock", "api")
"""Those that have a role of PostgreSQL, called `redletter_` and so on. The tax simulator, for tests, is an owner."""
_LOG: Sequence[LiteralString] = ("invoice_events", "replies", "dead_letters", "notices")
_READ_TABLES: LiteralString = "all tables in schema projections"
_ROWS: LiteralString = "select, insert, update, delete"


class Grant(NamedTuple):
    """That a role of PostgreSQL may do something. on: a table, a schema and so on, as in SQL."""

    role: str
    privileges: LiteralString
    on: LiteralString

    def statement(self) -> Composed:
        """Return the SQL that grants it."""
        privileges, on, role = SQL(self.privileges), SQL(self.on), Identifier(self.role)
        return SQL("grant {} on {} to {}").format(privileges, on, role)


_CREATE_ROLE = SQL("do $$ begin create role {}; exception when duplicate_object then null; end $$")
_REVOKE = (
    SQL("revoke all on all tables in schema redletter, projections from {}"),
    SQL("revoke all on all sequences in schema redletter, projections from {}"),
    SQL("revoke all on schema redletter, projections from {}"),
    SQL("alter default privileges in schema projections revoke all on tables from {}"),
)
"""Whatever a role has been granted before."""
_NEW_READ_TABLES = SQL("alter default privileges in schema projections grant {} on tables to {}")
"""A rebuild puts new tables in the place of the old ones."""


def grants() -> Sequence[Grant]:
    """Return what each role is allowed. The log can be appended to; only the relay deletes what nothing needs."""
    return [
        *(Grant(f"redletter_{role}", "usage", "schema redletter") for role in GRANTED_ROLES),
        *_on_tables("worker", "select, insert", *_LOG),
        *_on_tables("worker", _ROWS, "claims", "parked_invoices", "parked_commands"),
        *_on_tables("worker", "select, update", "log_partitions"),
        *_on_tables("worker", "select", "published"),
        *_on_tables("worker", "select, insert, update", "positions"),
        *_on_tables("relay", "select", *_LOG),
        *_on_tables("relay", "delete, update (written_at)", "replies", "dead_letters"),
        *_on_tables("relay", "select, update", "log_partitions", "published"),
        *_on_tables("projector", "select, insert, update", "positions"),
        Grant("redletter_projector", "usage", "schema projections"),
        Grant("redletter_projector", _ROWS, _READ_TABLES),
        *_on_tables("clock", "select", "invoice_events"),
        *_on_tables("clock", "select, insert, update", "positions"),
        *_on_tables("clock", _ROWS, "timers", "clock_returns"),
        *_on_tables("api", "select", "positions", "timers", "unpublished", "log_partitions", "parked_invoices"),
        *_on_tables("api", "select, insert, delete", "sessions"),
        Grant("redletter_api", "usage", "schema projections"),
        Grant("redletter_api", "select", _READ_TABLES),
    ]


def statements() -> Sequence[Composed]:
    """Return the SQL that creates the roles that are missing, without a login, and grants them this and no more."""
    granted = grants()
    roles = [Identifier(role) for role in dict.fromkeys(grant.role for grant in granted)]
    return [
        *(_CREATE_ROLE.format(role) for role in roles),
        *(revoke.format(role) for role in roles for revoke in _REVOKE),
        *(grant.statement() for grant in granted),
        *(
            _NEW_READ_TABLES.format(SQL(grant.privileges), Identifier(grant.role))
            for grant in granted
            if grant.on == _READ_TABLES
        ),
    ]


def apply_grants(database: str) -> None:
    """Grant it, and revoke the rest, in one transaction, as the owner of the tables. Raises: psycopg.Error."""
    with connect(database, "grants", autocommit=False) as connection:
        for statement in statements():
            connection.execute(statement)


def _on_tables(role: str, privileges: LiteralString, *tables: LiteralString) -> Iterator[Grant]:
    return (Grant(f"redletter_{role}", privileges, "redletter." + table) for table in tables)
