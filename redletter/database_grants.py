"""What each role has to be allowed in PostgreSQL: no more. Whoever runs `migrate` owns the tables, and grants this."""

from collections.abc import Iterator, Mapping, Sequence
from typing import LiteralString, NamedTuple

from psycopg.sql import SQL, Composed, Identifier

from transport.addresses import Addresses
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
    SQL("revoke all on all tables in schema {} from {}"),
    SQL("revoke all on all sequences in schema {} from {}"),
    SQL("revoke all on schema {} from {}"),
    SQL("alter default privileges in schema {} revoke all on tables from {}"),
)
"""Whatever a role has been granted before in a schema."""
_IDENTITY = """
    select system_identifier, oid from pg_control_system(), pg_database where datname = current_database()
"""
_NEW_READ_TABLES = SQL("alter default privileges in schema projections grant {} on tables to {}")
"""A rebuild puts new tables in the place of the old ones."""


def grants() -> Sequence[Grant]:
    """Return what each role is allowed in a database that holds both the log and the read models."""
    return list(dict.fromkeys([*grants_on_log(), *grants_on_read_models()]))


def grants_on_log() -> Sequence[Grant]:
    """Return what each role is allowed where the log is: it can be appended to, only the relay deletes from it."""
    return [
        *(Grant(f"redletter_{role}", "usage", "schema redletter") for role in GRANTED_ROLES),
        *_on_tables("worker", "select, insert", *_LOG),
        *_on_tables("worker", "select", "command_ids"),
        *_on_tables("worker", _ROWS, "claims", "parked_invoices", "parked_commands"),
        *_on_tables("worker", "select, insert, delete", "invoice_keys"),
        *_on_tables("worker", "select, update", "log_partitions"),
        *_on_tables("worker", "select", "published"),
        *_on_tables("worker", "select, insert, update", "positions"),
        *_on_tables("relay", "select", *_LOG),
        *_on_tables("relay", "delete, update (written_at)", "replies", "dead_letters"),
        *_on_tables("relay", "select, update", "log_partitions", "published"),
        *_on_tables("clock", "select", "invoice_events"),
        *_on_tables("clock", "select, insert, update", "positions"),
        *_on_tables("clock", _ROWS, "timers", "clock_returns"),
        *_on_tables("api", "select", "positions", "timers", "unpublished", "log_partitions", "parked_invoices"),
        *_on_tables("api", "select", "invoice_keys"),
        *_on_tables("api", "select, insert, delete", "sessions"),
    ]


def grants_on_read_models() -> Sequence[Grant]:
    """Return what each role is allowed where the read models are, and the positions of what projects them."""
    return [
        *(Grant(f"redletter_{role}", "usage", "schema redletter") for role in ("projector", "api")),
        *_on_tables("projector", "select, insert, update", "positions"),
        Grant("redletter_projector", "usage", "schema projections"),
        Grant("redletter_projector", _ROWS, _READ_TABLES),
        *_on_tables("api", "select", "positions"),
        Grant("redletter_api", "usage", "schema projections"),
        Grant("redletter_api", "select", _READ_TABLES),
    ]


def grants_by_database(log: str, read_models: str) -> Mapping[str, Sequence[Grant]]:
    """Return what each role is allowed, by the name or URL of the database; one may hold both."""
    return {log: grants()} if log == read_models else {log: grants_on_log(), read_models: grants_on_read_models()}


def statements(granted: Sequence[Grant]) -> Sequence[Composed]:
    """Return the SQL that creates the roles that are missing, without a login, and grants them this and no more."""
    roles = [Identifier(f"redletter_{role}") for role in GRANTED_ROLES]
    read_models = any(grant.on == _READ_TABLES for grant in granted)
    schemas = [Identifier("redletter"), *([Identifier("projections")] if read_models else [])]
    return [
        *(_CREATE_ROLE.format(role) for role in roles),
        *(revoke.format(schema, role) for role in roles for schema in schemas for revoke in _REVOKE),
        *(grant.statement() for grant in granted),
        *(
            _NEW_READ_TABLES.format(SQL(grant.privileges), Identifier(grant.role))
            for grant in granted
            if grant.on == _READ_TABLES
        ),
    ]


def apply_grants(addresses: Addresses) -> None:
    """Grant it, and revoke the rest, in one transaction a database, as the owner of its tables.

    Raises: psycopg.Error.
    """
    log, read_models = addresses.database, addresses.of_read_side().database
    if _identity(log) == _identity(read_models):  # one database may have several URLs
        read_models = log
    for database, granted in grants_by_database(log, read_models).items():
        with connect(database, "grants", autocommit=False) as connection:
            for statement in statements(granted):
                connection.execute(statement)


def _identity(database: str) -> tuple[object, ...] | None:
    """Return what no other database has: the server's own number, and the database's on it."""
    with connect(database, "grants") as connection:
        return connection.execute(_IDENTITY).fetchone()


def _on_tables(role: str, privileges: LiteralString, *tables: LiteralString) -> Iterator[Grant]:
    return (Grant(f"redletter_{role}", privileges, "redletter." + table) for table in tables)
