"""Sessions keep the whole URL's promises, notice a dead link, and are never kept on the wrong server."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.transport.support.proxies import pooler
from transport.addresses import Addresses
from transport.clients import postgres
from transport.clients.postgres import KeptSession, UnsuitableDatabase


@pytest.fixture
def own_database(servers: Addresses) -> Iterator[str]:
    """Give an empty database whose settings a test may change."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield urlunsplit(urlsplit(servers.database)._replace(path=f"/{name}"))
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def read_only(url: str, *, on: bool) -> None:
    """Open all new sessions of a database read-only, or not any more."""
    name = urlsplit(url).path[1:]
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute(
            sql.SQL("alter database {} set default_transaction_read_only = {}").format(sql.Identifier(name), on)
        )


def setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("select current_setting(%s)", (name,)).fetchone()
    assert row
    return row[0]


@pytest.mark.parametrize(
    ("query", "variable", "name"),
    [("", "", "redletter worker"), ("?application_name=mine", "", "mine"), ("", "theirs", "theirs")],
)
def test_a_session_is_called_after_its_role_unless_it_has_a_name(
    servers: Addresses, monkeypatch: pytest.MonkeyPatch, query: str, variable: str, name: str
) -> None:
    if variable:
        monkeypatch.setenv("PGAPPNAME", variable)
    with postgres.connect(servers.database + query, "worker") as connection:
        assert setting(connection, "application_name") == name


def test_redletters_settings_hold_beside_the_options_of_the_url(servers: Addresses) -> None:
    url = f"{servers.database}?options=-c%20search_path%3Dtheirs%20-c%20lock_timeout%3D9s"
    with postgres.connect(url, "worker", lock_timeout="3s", transaction_timeout="10s") as connection:
        settings = [setting(connection, name) for name in ("search_path", "lock_timeout", "transaction_timeout")]
    assert settings == ["theirs", "3s", "10s"]


def test_a_session_is_not_opened_on_a_server_that_takes_no_writes(own_database: str) -> None:
    read_only(own_database, on=True)
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        postgres.connect(own_database, "worker")


def test_a_kept_session_that_turned_out_to_be_read_only_is_not_kept(own_database: str) -> None:
    """As sessions are that were opened while the server was taken for a standby."""
    kept = KeptSession(f"{own_database}?target_session_attrs=any", "worker")
    read_only(own_database, on=True)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), kept.use() as connection:
        connection.execute("create table t ()")
    read_only(own_database, on=False)
    with kept.use() as connection:
        connection.execute("create table t ()")
    kept.close()


def test_a_session_is_kept_after_a_fault_of_what_was_written(servers: Addresses) -> None:
    kept = KeptSession(servers.database, "worker")
    with kept.use() as connection:
        first = connection.info.backend_pid
    with pytest.raises(psycopg.DataError), kept.use() as connection:
        connection.execute("select 'x'::int")
    with kept.use() as connection:
        assert connection.info.backend_pid == first
    kept.close()


def test_the_server_of_the_tests_is_suitable(servers: Addresses) -> None:
    postgres.check(servers.database, "worker")


def test_a_database_without_utf8_is_refused(servers: Addresses) -> None:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} encoding 'LATIN1' template template0 locale_provider libc locale 'C'").format(
                sql.Identifier(name)
            )
        )
        with pytest.raises(UnsuitableDatabase, match="LATIN1"):
            postgres.check(urlunsplit(urlsplit(servers.database)._replace(path=f"/{name}")), "worker")
        connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))


def test_a_pooler_in_transaction_mode_is_refused(servers: Addresses) -> None:
    with (
        pooler(servers.database, whole_sessions=False) as url,
        pytest.raises(UnsuitableDatabase, match="transaction mode"),
    ):
        postgres.check(url, "worker")


def test_a_pooler_in_session_mode_will_do(servers: Addresses) -> None:
    with pooler(servers.database, whole_sessions=True) as url:
        postgres.check(url, "worker")
