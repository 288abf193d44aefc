"""Sessions keep the whole URL's promises, notice a dead link, and are never kept on the wrong server."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.transport.support.middlemen import SSL_REQUEST, old_server, pooler, server_without_tls
from transport.addresses import Addresses
from transport.clients import postgres
from transport.clients.postgres import KeptSession, UnsuitableDatabase

URL = "postgresql://me:secret@one:5432,two:5433/books"


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


def test_everything_in_the_url_counts() -> None:
    query = (
        "sslmode=verify-full&sslrootcert=/ca.pem&target_session_attrs=any&connect_timeout=9&options=-csearch_path%3Dx"
    )
    told = postgres.writing(f"{URL}?{query}", "worker")
    assert told["host"] == "one,two"
    assert told["port"] == "5432,5433"
    assert (told["user"], told["password"], told["dbname"]) == ("me", "secret", "books")
    assert (told["sslmode"], told["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert told["target_session_attrs"] == "any"
    assert told["connect_timeout"] == "9"
    assert told["options"] == "-csearch_path=x"


def test_what_the_url_leaves_open_notices_a_dead_link_and_passes_over_a_server_that_takes_no_writes() -> None:
    told = postgres.writing(URL, "worker")
    assert told["connect_timeout"] == 5
    assert (told["keepalives_idle"], told["keepalives_interval"], told["keepalives_count"]) == (5, 2, 3)
    assert told["tcp_user_timeout"] == 10_000
    assert told["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in postgres.parameters(URL, "api")


@pytest.mark.integration
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


@pytest.mark.integration
def test_settings_of_ours_hold_beside_the_options_of_the_url(servers: Addresses) -> None:
    url = f"{servers.database}?options=-c%20search_path%3Dtheirs%20-c%20lock_timeout%3D9s"
    with postgres.connect(url, "worker", lock_timeout="3s", transaction_timeout="10s") as connection:
        told = [setting(connection, name) for name in ("search_path", "lock_timeout", "transaction_timeout")]
    assert told == ["theirs", "3s", "10s"]


OPENED: tuple[Callable[[str], Any], ...] = (
    lambda url: postgres.connect(url, "worker"),
    lambda url: KeptSession(url, "worker").use().__enter__(),
)


@pytest.mark.parametrize("opened", OPENED)
def test_a_server_without_tls_hears_neither_name_nor_password_when_tls_is_wanted(opened: Callable[[str], Any]) -> None:
    heard: list[bytes] = []
    with server_without_tls(heard) as port, pytest.raises(psycopg.OperationalError, match="SSL"):
        opened(f"postgresql://me:secret@127.0.0.1:{port}/books?sslmode=require")
    assert set(heard) == {SSL_REQUEST}


async def test_nor_does_it_from_a_session_that_does_not_block() -> None:
    heard: list[bytes] = []
    with server_without_tls(heard) as port:
        url = f"postgresql://me:secret@127.0.0.1:{port}/books?sslmode=require"
        with pytest.raises(psycopg.OperationalError, match="SSL"):
            await postgres.connect_async(url, "relay")
        async with postgres.reading_pool(url, "api", size=1, within=2) as pool:
            with pytest.raises(psycopg.OperationalError):
                await pool.getconn()
    assert set(heard) == {SSL_REQUEST}


@pytest.mark.integration
def test_a_session_is_not_opened_on_a_server_that_takes_no_writes(own_database: str) -> None:
    read_only(own_database, on=True)
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        postgres.connect(own_database, "worker")


@pytest.mark.integration
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


@pytest.mark.integration
def test_a_session_is_kept_after_a_fault_of_what_was_written(servers: Addresses) -> None:
    kept = KeptSession(servers.database, "worker")
    with kept.use() as connection:
        first = connection.info.backend_pid
    with pytest.raises(psycopg.DataError), kept.use() as connection:
        connection.execute("select 'x'::int")
    with kept.use() as connection:
        assert connection.info.backend_pid == first
    kept.close()


@pytest.mark.integration
def test_the_server_of_the_tests_is_suitable(servers: Addresses) -> None:
    postgres.check(servers.database, "worker")


@pytest.mark.parametrize(
    ("version", "encoding", "sentence"),
    [
        ("16.2", "UTF8", "PostgreSQL 16 is too old: Redletter needs version 17 or newer"),
        ("18.4", "LATIN1", "the database has the encoding LATIN1: Redletter needs one with UTF8"),
    ],
)
def test_an_unsuitable_server_is_refused_with_one_sentence(version: str, encoding: str, sentence: str) -> None:
    with old_server(version, encoding) as port, pytest.raises(UnsuitableDatabase) as refused:
        postgres.check(f"postgresql://me:secret@127.0.0.1:{port}/books", "worker")
    assert str(refused.value) == sentence


@pytest.mark.integration
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


@pytest.mark.integration
def test_a_pooler_in_transaction_mode_is_refused(servers: Addresses) -> None:
    with (
        pooler(servers.database, whole_sessions=False) as url,
        pytest.raises(UnsuitableDatabase, match="transaction mode"),
    ):
        postgres.check(url, "worker")


@pytest.mark.integration
def test_a_pooler_in_session_mode_will_do(servers: Addresses) -> None:
    with pooler(servers.database, whole_sessions=True) as url:
        postgres.check(url, "worker")
