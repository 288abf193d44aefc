"""Sessions keep the whole URL's promises, notice a dead link, and are never kept on the wrong server."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.transport.support.proxies import SSL_REQUEST, old_server, server_without_tls
from transport.clients import postgres
from transport.clients.postgres import KeptSession, UnsuitableDatabase

URL = "postgresql://me:secret@one:5432,two:5433/books"


def test_everything_in_the_url_counts() -> None:
    query = (
        "sslmode=verify-full&sslrootcert=/ca.pem&target_session_attrs=any&connect_timeout=9&options=-csearch_path%3Dx"
    )
    options = postgres.writing(f"{URL}?{query}", "worker")
    assert options["host"] == "one,two"
    assert options["port"] == "5432,5433"
    assert (options["user"], options["password"], options["dbname"]) == ("me", "secret", "books")
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert options["target_session_attrs"] == "any"
    assert options["connect_timeout"] == "9"
    assert options["options"] == "-csearch_path=x"


def test_what_the_url_leaves_open_notices_a_dead_link_and_passes_over_a_server_that_takes_no_writes() -> None:
    options = postgres.writing(URL, "worker")
    assert options["connect_timeout"] == 5
    assert (options["keepalives_idle"], options["keepalives_interval"], options["keepalives_count"]) == (5, 2, 3)
    assert options["tcp_user_timeout"] == 10_000
    assert options["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in postgres.parameters(URL, "api")


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
