"""The HTTP answers, on a real database."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier, Literal

from events.catalogue import json_of
from tests.projections.support import facts, naive
from tests.support.waiting import until
from tests.web.support.serving import problem, served, serving
from tests.web.support.story import STORY, UNKNOWN, store
from transport.addresses import Addresses
from web.serving import listening_socket

PATHS = ("/invoices/{}", "/invoices/{}/status")
NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def client(tables: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of an api whose read models have seen the story."""
    store(tables, versions=len(STORY))
    async with serving(tables) as client:
        yield client


async def test_status_is_the_document_of_all_events(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/invoices/{facts.NUMBER}/status")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == naive.status_document(STORY)


async def test_details_join_the_invoice_with_all_that_became_of_it(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/invoices/{facts.NUMBER}")
    assert answer.status_code == 200
    document = answer.json()
    assert document["invoice"] == json.loads(json_of(STORY[0]))
    assert document["status"] == naive.status_document(STORY)
    assert document["return"]["form"]["state"] == "04"
    assert document["credit_note"]["net_amount"] == "-100.00"
    assert (document["reissues"], document["replacements"], document["version"]) == ([], [], len(STORY))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("number", [UNKNOWN, "1", facts.NUMBER + "1", "\uff12" * 20, "x" * 20])
async def test_a_number_that_no_invoice_has_is_not_found(client: httpx.AsyncClient, path: str, number: str) -> None:
    assert problem(await client.get(path.format(number))) == (404, "INVOICE_NOT_FOUND")


@pytest.mark.parametrize("number", ["1", facts.NUMBER + "1", "%00"])
async def test_a_number_that_no_invoice_can_have_is_not_waited_for(client: httpx.AsyncClient, number: str) -> None:
    answer = await client.get(f"/invoices/{number}/status", params={"min_version": 1, "wait": 30})
    assert problem(answer) == (404, "INVOICE_NOT_FOUND")


@pytest.mark.parametrize("path", PATHS)
async def test_an_account_sees_its_own_invoice_and_no_other(client: httpx.AsyncClient, path: str) -> None:
    own = await client.get(path.format(facts.NUMBER), params={"account_id": facts.ACCOUNT})
    assert own.status_code == 200
    strangers = await client.get(path.format(facts.NUMBER), params={"account_id": "acct-2"})
    unknown = await client.get(path.format(UNKNOWN), params={"account_id": "acct-2"})
    assert problem(strangers) == (404, "INVOICE_NOT_FOUND")
    assert strangers.content == unknown.content


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_version", "three"),
        ("min_version", "-1"),
        ("min_version", "1.5"),
        ("min_version", "9" * 5000),
        ("wait", "31"),
        ("wait", "-1"),
        ("wait", "nan"),
        ("wait", "soon"),
        ("account_id", "a" * 65),
        ("min_verison", "3"),
    ],
)
async def test_a_bad_query_parameter_is_reported_by_name(
    client: httpx.AsyncClient, path: str, field: str, value: str
) -> None:
    answer = await client.get(path.format(facts.NUMBER), params={field: value})
    assert problem(answer) == (422, "MALFORMED_QUERY")
    assert [fault["field"] for fault in answer.json()["faults"]] == [field]


@pytest.mark.parametrize("path", PATHS)
async def test_a_version_that_is_reached_answers_at_once(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path.format(facts.NUMBER), params={"min_version": len(STORY), "wait": 30})
    assert answer.json()["version"] == len(STORY)


@pytest.mark.parametrize("path", PATHS)
async def test_a_version_not_yet_reached_is_a_conflict_that_names_the_one_reached(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path.format(facts.NUMBER), params={"min_version": len(STORY) + 1})
    assert problem(answer) == (409, "NOT_YET_PROJECTED")
    assert answer.json()["version"] == len(STORY)


async def test_an_invoice_not_yet_seen_has_reached_version_0(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/invoices/{UNKNOWN}/status", params={"min_version": 1, "wait": 0.1})
    assert problem(answer) == (409, "NOT_YET_PROJECTED")
    assert answer.json()["version"] == 0


async def test_a_query_waits_for_the_version_and_then_answers(client: httpx.AsyncClient, tables: Addresses) -> None:
    with psycopg.connect(tables.database) as connection:
        connection.execute("delete from projections.status")
    asked = asyncio.create_task(
        client.get(f"/invoices/{facts.NUMBER}/status", params={"min_version": 2, "wait": 30}, timeout=40)
    )
    await asyncio.to_thread(store, tables, versions=1, models="status")
    seen = await client.get(f"/invoices/{facts.NUMBER}/status")
    assert (seen.json()["version"], asked.done()) == (1, False)
    await asyncio.to_thread(store, tables, versions=2, models="status")
    answer = await asyncio.wait_for(asked, 5)
    assert answer.json()["version"] == 2


@pytest.mark.alone
async def test_waiting_ends_when_the_time_is_over(client: httpx.AsyncClient) -> None:
    began = time.monotonic()
    await client.get(f"/invoices/{facts.NUMBER}", params={"min_version": 99, "wait": 0.5})
    assert 0.5 <= time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/nowhere", (404, "NOT_FOUND")), ("POST", "/livez", (405, "METHOD_NOT_ALLOWED"))],
)
async def test_what_does_not_exist_is_a_problem_document_too(
    client: httpx.AsyncClient, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert problem(await client.request(method, path)) == expected


async def test_an_api_with_both_servers_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "live"}
    ready = (await client.get("/readyz")).json()
    assert (ready["status"], ready["stopped"]) == ("degraded", [])  # alone: nobody plays the other roles
    assert {reason["code"] for reason in ready["reasons"]} <= {"ROLE_MISSING", "NOT_LISTENING", "CALENDAR_ENDS"}


async def test_the_description_of_the_api_names_both_answers(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    assert {"StatusAnswer", "DetailsAnswer", "ProblemDocument"} <= described["components"]["schemas"].keys()


NO_KAFKA = {"kafka": NOWHERE}
NO_DATABASE = {"database": f"postgresql://nobody@{NOWHERE}/none"}


@pytest.mark.alone
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
        assert time.monotonic() - began < 4
        assert problem(answer) == (503, "NOT_READY")
        assert answer.json()["down"] == down
        assert (await client.get("/livez")).status_code == 200


@pytest.mark.alone
async def test_servers_that_accept_and_never_answer_do_not_hold_readiness_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        frozen = Addresses(kafka=f"127.0.0.1:{port}", database=f"postgresql://nobody@127.0.0.1:{port}/none")
        async with serving(frozen) as client:
            began = time.monotonic()
            answer = await client.get("/readyz")
            assert time.monotonic() - began < 4
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

        await until(answers, within=10)


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


@pytest.mark.alone
async def test_the_server_answers_until_it_is_cancelled_and_stops_at_once(tables: Addresses) -> None:
    async with served(tables) as (running, client):
        waiting = asyncio.create_task(
            client.get(f"/invoices/{UNKNOWN}/status", params={"min_version": 1, "wait": 30}, timeout=40)
        )
        await client.get("/livez")
        began = time.monotonic()
        running.cancel()
        await asyncio.wait({running})
        assert time.monotonic() - began < 5
        await asyncio.wait({waiting})
        waiting.exception()


async def test_head_is_answered_as_get_without_a_body(tables: Addresses) -> None:
    async with served(tables) as (_, client):
        for path in ("/livez", "/docs", "/invoices/1", "/invoices/1/return"):
            head, got = await client.head(path), await client.get(path)
            assert (head.status_code, head.headers["content-length"]) == (got.status_code, str(len(got.content)))
            assert head.content == b""


async def test_head_of_the_stream_does_not_hold_up_what_comes_after_it_on_the_connection(tables: Addresses) -> None:
    async with served(tables) as (_, client):
        assert (await client.head("/stream")).status_code == 405
        assert (await client.get("/livez")).status_code == 200


async def test_an_idle_connection_is_not_closed_under_a_caller_that_keeps_it_some_seconds(tables: Addresses) -> None:
    async with served(tables) as (_, client):
        url = client.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        for kept in (6, 0):  # the server's own default is 5
            writer.write(b"GET /livez HTTP/1.1\r\nHost: redletter\r\n\r\n")
            assert b"200" in await reader.readline()
            await reader.readuntil(b"}")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), kept)
        writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_does_not_wait_for_a_full_packet(host: str) -> None:
    with listening_socket(host, 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
