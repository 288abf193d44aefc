"""The HTTP answers, on a real database."""

import asyncio
import json
import time

import httpx
import psycopg
import pytest

from events.catalogue import json_of
from tests.projections.support import facts, naive
from tests.web.support.serving import problem
from tests.web.support.story import STORY, UNKNOWN, store
from transport.addresses import Addresses

PATHS = ("/invoices/{}", "/invoices/{}/status")


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
    answer = await asyncio.wait_for(asked, 60)
    assert answer.json()["version"] == 2


async def test_waiting_ends_when_the_time_is_over(client: httpx.AsyncClient) -> None:
    began = time.monotonic()
    answer = await client.get(f"/invoices/{facts.NUMBER}", params={"min_version": 99, "wait": 0.5})
    assert problem(answer) == (409, "NOT_YET_PROJECTED")
    assert 0.5 <= time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/nowhere", (404, "NOT_FOUND")), ("POST", "/livez", (405, "METHOD_NOT_ALLOWED"))],
)
async def test_what_does_not_exist_is_a_problem_document_too(
    client: httpx.AsyncClient, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert problem(await client.request(method, path)) == expected


async def test_the_description_of_the_api_names_both_answers(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    assert {"StatusAnswer", "DetailsAnswer", "ProblemDocument"} <= described["components"]["schemas"].keys()
