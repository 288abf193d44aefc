"""Backups of a test's database, and the restoring of them under running roles."""

from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.errors import ObjectInUse

_END_SESSIONS = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"


def back_up(database: str) -> str:
    """Copy a database that nobody uses, and return the name of the copy."""
    name = f"{_name(database)}_backup"
    _run(database, sql.SQL("create database {} template {}").format(*map(sql.Identifier, (name, _name(database)))))
    return name


def restore(database: str, copy: str) -> str:
    """Put a copy into the place of the database, while roles use it; return the name that the one before has now."""
    before = f"{_name(database)}_{copy[-8:]}_before"
    for old, new in ((_name(database), before), (copy, _name(database))):
        _rename(database, old, new)
    return before


def drop(database: str, copy: str) -> None:
    """Drop a copy."""
    _run(database, sql.SQL("drop database {} with (force)").format(sql.Identifier(copy)))


def _rename(database: str, old: str, new: str) -> None:
    """Rename a database; whoever uses it comes back at once, until that succeeds."""
    rename = sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new))
    while True:
        with psycopg.connect(_maintenance(database), autocommit=True) as connection:
            connection.execute(_END_SESSIONS, [old])
            try:
                connection.execute(rename)
            except ObjectInUse:
                continue
            return


def _run(database: str, statement: sql.Composed) -> None:
    with psycopg.connect(_maintenance(database), autocommit=True) as connection:
        connection.execute(statement)


def _maintenance(database: str) -> str:
    return urlunsplit(urlsplit(database)._replace(path="/postgres"))


def _name(database: str) -> str:
    return urlsplit(database).path.removeprefix("/")
