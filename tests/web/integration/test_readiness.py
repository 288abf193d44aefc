"""What the api answers while a server is down, silent, or back again."""

import asyncio
import socket
import time
from dataclasses import replace

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier, Literal

from tests.projections.support import facts
from tests.support.waiting import until
from tests.web.support.serving import problem, serving
from tests.web.support.story import store
from transport.addresses import Addresses

NOWHERE = "127.0.0.1:1"


async def test_an_api_with_both_servers_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "live"}
    ready = (await client.get("/readyz")).json()
    assert (ready["status"], ready["stopped"]) == ("degraded", [])  # alone: nobody plays the other roles
    assert {reason["code"] for reason in ready["reasons"]} <= {"ROLE_MISSING", "NOT_LISTENING", "CALENDAR_ENDS"}


NO_KAFKA = {"kafka": NOWHERE}

NO_DATABASE = {"database": f"postgresql://nobody@{NOWHERE}/none"}


@pytest.mark.parametrize(
    ("gone", "down"),
    [(NO_KAFKA, ["kafka"]), (NO_DATABASE, ["database"]), (NO_KAFKA | NO_DATABASE, ["database", "kafka"])],
)
async def test_readiness_names_what_is_down_within_its_bound(
    tables: Addresses, gone: dict[str, str], down: list[str]
) -> None:
    async with serving(replace(tables, **gone)) as client:
        began = time.monotonic()
        answer = await client.get("/readyz")
        assert time.monotonic() - began < 30
        assert problem(answer) == (503, "NOT_READY")
        assert answer.json()["down"] == down
        assert (await client.get("/livez")).status_code == 200


async def test_servers_that_accept_and_never_answer_do_not_hold_readiness_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        frozen = Addresses(kafka=f"127.0.0.1:{port}", database=f"postgresql://nobody@127.0.0.1:{port}/none")
        async with serving(frozen) as client:
            began = time.monotonic()
            answer = await client.get("/readyz")
            assert time.monotonic() - began < 30
            assert answer.json()["down"] == ["database", "kafka"]


async def test_a_database_without_read_tables_is_not_ready(servers: Addresses) -> None:
    async with serving(servers) as client:
        assert (await client.get("/readyz")).json()["down"] == ["database"]
        assert problem(await client.get(f"/invoices/{facts.NUMBER}")) == (503, "READ_MODEL_UNAVAILABLE")


async def test_queries_say_that_the_database_is_down_and_answer_once_it_is_back(
    servers: Addresses, tables: Addresses
) -> None:
    store(tables, versions=1)
    async with serving(tables) as client:
        await _connections(servers, tables, allowed=False)
        assert problem(await client.get(f"/invoices/{facts.NUMBER}")) == (503, "READ_MODEL_UNAVAILABLE")
        await _connections(servers, tables, allowed=True)

        async def answers() -> bool:
            return (await client.get(f"/invoices/{facts.NUMBER}")).status_code == 200

        await until(answers)


async def test_a_query_does_not_notice_that_idle_connections_were_cut(
    servers: Addresses, tables: Addresses, client: httpx.AsyncClient
) -> None:
    async def look() -> int:
        return (await client.get(f"/invoices/{facts.NUMBER}")).status_code

    assert await asyncio.gather(*(look() for _ in range(20))) == [200] * 20  # over several connections
    await _connections(servers, tables, allowed=True)
    assert [await look() for _ in range(20)] == [200] * 20
    await _connections(servers, tables, allowed=True)
    assert (await client.get("/readyz")).status_code == 200


async def _connections(servers: Addresses, tables: Addresses, *, allowed: bool) -> None:
    """Let the database refuse connections and cut those it has, or accept them again."""
    database = str(conninfo_to_dict(tables.database)["dbname"])
    async with await psycopg.AsyncConnection.connect(servers.database, autocommit=True) as connection:
        await connection.execute(
            SQL("alter database {} allow_connections {}").format(Identifier(database), Literal(allowed))
        )
        await connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", (database,)
        )
