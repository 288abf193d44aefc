"""Which queries are accepted and which are refused: empty, repeated, forged and impossible parameters."""

from base64 import urlsafe_b64encode
from datetime import timedelta

import httpx
import psycopg
import pytest

from projections.history.table import History
from tests.projections.support import facts, published
from tests.web.support.serving import problem
from tests.web.support.story import STORY, UNKNOWN
from transport.addresses import Addresses

PAGE = {"accept": "text/html"}
OTHER = "acct-2"


def store_history(tables: Addresses) -> None:
    """Let the history have seen the story."""
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        History().project(cur, published.records(published.messages(STORY)))


def cursor(json: str) -> str:
    return urlsafe_b64encode(json.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "path",
    [
        "/invoices?account_id=&status=&q=&cursor=&limit=",
        "/charges?account_id=&state=&cursor=&limit=",
        "/returns?phase=&overdue=&account_id=&cursor=&limit=",
        f"/invoices/{facts.NUMBER}?account_id=&min_version=&wait=&as_of=",
        f"/invoices/{facts.NUMBER}/status?account_id=&min_version=&wait=&as_of=",
        "/?account_id=&status=&q=&cursor=&limit=&lang=",
        "/issue?account_id=&cursor=",
        f"/details/{facts.NUMBER}?min_version=",
    ],
)
async def test_an_empty_parameter_counts_as_absent(client: httpx.AsyncClient, path: str) -> None:
    answer, plain = await client.get(path), await client.get(path.partition("?")[0])
    assert answer.status_code == plain.status_code == 200
    if answer.headers["content-type"] == "application/json":
        assert answer.content == plain.content


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/invoices?status=issued&status=returned", "status"),
        ("/invoices?status=&status=returned", "status"),
        ("/charges?limit=1&limit=2", "limit"),
        (f"/invoices/{facts.NUMBER}?min_version=1&min_version=2", "min_version"),
        ("/red-font-forms/26440000000000000001?account_id=a&account_id=b", "account_id"),
        ("/operations?x=1&x=2", "x"),
        ("/stream?account_id=a&account_id=b", "account_id"),
    ],
)
async def test_a_repeated_parameter_is_reported_by_name(client: httpx.AsyncClient, path: str, field: str) -> None:
    answer = await client.get(path)
    assert problem(answer) == (422, "MALFORMED_QUERY")
    assert [fault["field"] for fault in answer.json()["faults"]] == [field]


async def test_a_page_does_not_pick_one_of_two_filters_either(client: httpx.AsyncClient) -> None:
    answer = await client.get("/?status=issued&status=returned", headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")


NUL = "%00"
NUL_CHARGE = cursor('"\\u0000"')
NUL_INVOICE = cursor('["2026-01-01","\\u0000"]')


@pytest.mark.parametrize(
    "path",
    [
        f"/invoices?account_id={NUL}",
        f"/invoices?q={NUL}",
        f"/invoices?status={NUL}",
        f"/invoices?{NUL}=1",
        f"/charges?account_id=a{NUL}b",
        f"/charges?state={NUL}",
        f"/invoices?cursor={NUL_INVOICE}",
        f"/charges?cursor={NUL_CHARGE}",
        f"/invoices?cursor={NUL}",
        f"/charges?cursor={NUL}",
        f"/invoices/{facts.NUMBER}?account_id={NUL}",
        f"/invoices/{facts.NUMBER}/status?as_of={NUL}",
        f"/invoices/{facts.NUMBER}/history?min_version={NUL}",
        f"/red-font-forms/26440000000000000001?account_id={NUL}",
        f"/stream?account_id={NUL}",
    ],
)
async def test_a_nul_in_a_query_is_the_callers_fault(client: httpx.AsyncClient, path: str) -> None:
    assert problem(await client.get(path)) == (422, "MALFORMED_QUERY")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/?account_id={NUL}", 200),  # the list, which says that the address cannot be read
        (f"/?cursor={NUL_INVOICE}", 422),
        (f"/issue?account_id={NUL}", 422),
        (f"/issue?cursor={NUL_CHARGE}", 422),
        (f"/issue?cursor={NUL}", 422),
        (f"/details/{NUL}", 404),
        (f"/rows/{NUL}", 404),
        (f"/return/{NUL}", 404),
        (f"/reissue/{NUL}", 404),
        (f"/details/{facts.NUMBER}?min_version={NUL}", 422),
    ],
)
async def test_a_nul_in_the_address_of_a_page_is_not_a_server_error(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await client.get(path, headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "path", ["/invoices/%00", "/invoices/%00/status", "/invoices/%00/history", "/red-font-forms/%00", "/%00"]
)
async def test_a_nul_in_a_path_is_the_name_of_nothing(client: httpx.AsyncClient, path: str) -> None:
    assert problem(await client.get(path))[0] == 404


@pytest.mark.parametrize("route", ["return", "reissue"])
async def test_a_form_for_a_number_that_is_none_is_not_found(client: httpx.AsyncClient, route: str) -> None:
    assert (await client.post(f"/{route}/%00", data={"key": "1"}, headers=PAGE)).status_code == 404


@pytest.mark.parametrize(
    "forged",
    [
        cursor('["2026-01-01","26312000000000000001"]') + "==",  # not as it was written
        cursor('["2026-01-01", "26312000000000000001"]'),
        "*" + cursor('["2026-01-01","26312000000000000001"]'),  # characters that a lenient reader skips
        cursor('["2026-01-01","2631"]'),
        cursor('[0,"26312000000000000001"]'),
        cursor('["2026-01-01"]'),
        cursor("[" * 100),
        "\u00e9",
    ],
)
async def test_a_cursor_is_read_as_it_was_given_and_no_other(client: httpx.AsyncClient, forged: str) -> None:
    answer = await client.get("/invoices", params={"cursor": forged})
    assert problem(answer) == (422, "MALFORMED_QUERY")
    assert [fault["field"] for fault in answer.json()["faults"]] == ["cursor"]


async def test_the_cursor_of_a_page_leads_on(client: httpx.AsyncClient) -> None:
    good = cursor('["2026-01-01","26312000000000000001"]')
    assert (await client.get("/invoices", params={"cursor": good})).status_code == 200


@pytest.mark.parametrize("path", ["/invoices/{}", "/invoices/{}/status", "/invoices/{}/history"])
@pytest.mark.parametrize(
    "query", [{}, {"min_version": "1"}, {"min_version": "1", "wait": "0.1"}, {"min_version": "99"}]
)
async def test_another_accounts_invoice_gets_exactly_the_answer_of_an_unknown_one(
    client: httpx.AsyncClient, path: str, query: dict[str, str]
) -> None:
    asked = query | {"account_id": OTHER}
    strangers = await client.get(path.format(facts.NUMBER), params=asked)
    unknown = await client.get(path.format(UNKNOWN), params=asked)
    assert (strangers.status_code, strangers.content) == (unknown.status_code, unknown.content)
    assert problem(strangers) == ((409, "NOT_YET_PROJECTED") if query else (404, "INVOICE_NOT_FOUND"))


@pytest.mark.parametrize("path", ["/invoices/{}", "/invoices/{}/status"])
async def test_a_moment_before_the_issue_is_answered_with_a_sentence_of_its_own(
    client: httpx.AsyncClient, tables: Addresses, path: str
) -> None:
    store_history(tables)
    early = (STORY[0].occurred_at - timedelta(days=1)).isoformat()
    answer = await client.get(path.format(facts.NUMBER), params={"as_of": early})
    assert problem(answer) == (404, "INVOICE_NOT_FOUND")
    assert "not issued yet" in answer.json()["detail"]
    unknown = await client.get(path.format(UNKNOWN), params={"as_of": early})
    strangers = await client.get(path.format(facts.NUMBER), params={"as_of": early, "account_id": OTHER})
    assert unknown.content == strangers.content != answer.content


@pytest.mark.parametrize("as_of", ["1700000000", "1700000000.5", "2026-02-13", "2026-02-13T09:30:00", "yesterday"])
async def test_a_moment_is_an_rfc_3339_time_and_nothing_else(client: httpx.AsyncClient, as_of: str) -> None:
    answer = await client.get(f"/invoices/{facts.NUMBER}/status", params={"as_of": as_of})
    assert problem(answer) == (422, "MALFORMED_QUERY")
    assert [fault["field"] for fault in answer.json()["faults"]] == ["as_of"]
