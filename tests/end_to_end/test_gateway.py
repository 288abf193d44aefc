"""Commands over HTTP: one key, one command, and the reply in the answer."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.topics import Channel
from tests.end_to_end.support.client import Client
from tests.end_to_end.support.shared import Shared
from tests.end_to_end.support.system import system
from tests.faults.support.evidence import everything, headers
from tests.service.support.orders import ACCOUNT, confirm, credit, observe, register
from transport.addresses import Addresses
from web.gateway.commands import monitor_address, source_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIMPLE = {"account_id": ACCOUNT}
SOURCE = source_of(ACCOUNT)


def of(number: str, action: str = "return") -> str:
    return f"/invoices/{number}/{action}"


async def of_customers(shared: Shared, number: str) -> list[dict[str, str]]:
    """Return the headers of what customers' commands about an invoice have been published."""
    published = await everything(shared.addresses.kafka, Channel.CUSTOMER.value)
    return [headers(record) for record in published if record.key == number.encode()]


async def post(http: httpx.AsyncClient, path: str, key: str | None, body: Any) -> httpx.Response:
    return await http.post(path, json=body, headers={"Idempotency-Key": key} if key else {})


async def test_a_return_is_asked_for_once_however_often_it_is_clicked(
    http: httpx.AsyncClient, billing: Client, shared: Shared, number: str
) -> None:
    await billing.submit(register(number, kind="general", charges=[number]))
    clicks = await asyncio.gather(*(post(http, of(number), "click-1", SIMPLE) for _ in range(3)))
    assert [click.status_code for click in clicks] == [200] * 3
    replies = [click.json() for click in clicks]
    assert {reply["status"] for reply in replies} == {"return_in_progress"}
    assert len({reply["events"][0]["id"] for reply in replies}) == 1
    assert sorted(reply["replayed"] for reply in replies) == [False, True, True]
    published = await of_customers(shared, number)
    assert {record["ce_source"] for record in published} == {SOURCE}
    assert {record["ce_id"] for record in published} == {"click-1"}

    reused = await post(http, of(number), "click-1", SIMPLE | {"remarks": "more"})
    assert (reused.status_code, reused.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    again = await post(http, of(number), "click-2", SIMPLE)
    assert (again.status_code, again.json()["code"]) == (409, "RETURN_ALREADY_IN_PROGRESS")


async def test_a_refusal_is_a_problem_with_its_code_and_facts(
    http: httpx.AsyncClient, billing: Client, number: str
) -> None:
    unknown = await post(http, of(number), "refused-1", SIMPLE)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "INVOICE_NOT_FOUND")
    await billing.submit(register(number, charges=[number]))
    await billing.submit(observe(number=number))
    faulty = await post(http, of(number), "refused-2", SIMPLE)
    assert (faulty.status_code, faulty.json()["code"]) == (422, "RED_FONT_FORM_NUMBER_REQUIRED")
    assert [fault["field"] for fault in faulty.json()["details"]["faults"]] == [
        "red_font_form_number",
        "reason",
        "remarks",
    ]
    assert faulty.headers["content-type"] == "application/problem+json"
    early = await post(http, of(number, "reissue"), "refused-3", SIMPLE | {"charge_ids": [number]})
    assert (early.status_code, early.json()["code"]) == (409, "ORIGINAL_NOT_RETURNED")


async def test_a_reissue_is_asked_for(http: httpx.AsyncClient, billing: Client, number: str) -> None:
    await billing.submit(register(number, kind="general", charges=[number]))
    assert (await post(http, of(number), "return", SIMPLE)).status_code == 200
    for command in (confirm(number, kind="general", state="01"), credit(number)):
        assert "code" not in (await billing.submit(command)).reply
    asked = await post(http, of(number, "reissue"), "reissue", SIMPLE | {"charge_ids": [number], "kind": "special"})
    assert (asked.status_code, asked.json()["status"]) == (200, "reversed_with_credit_note")


BAD: list[tuple[str | None, Any, list[str]]] = [
    (None, SIMPLE, ["Idempotency-Key"]),
    ("k" * 129, SIMPLE, ["Idempotency-Key"]),
    ("1", [], ["data"]),
    ("1", SIMPLE | {"invoice_number": "26000000000000000001"}, ["invoice_number"]),
    ("1", SIMPLE | {"remark": "?"}, ["remark"]),
    (None, {"reason": "boredom"}, ["Idempotency-Key", "account_id", "reason"]),
    ("1", SIMPLE | {"remarks": "a\0b"}, ["remarks"]),
    ("1", SIMPLE | {"remarks": "x" * 300_000}, ["data"]),
]


async def test_nothing_is_published_without_a_good_key_and_body(
    http: httpx.AsyncClient, shared: Shared, number: str
) -> None:
    for key, body, fields in BAD:
        answer = await post(http, of(number), key, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_COMMAND"), fields
        assert [fault["field"] for fault in answer.json()["faults"]] == fields
    broken = await http.post(of(number), content=b"{", headers={"Idempotency-Key": "1"})
    assert (broken.status_code, broken.json()["code"]) == (422, "MALFORMED_COMMAND")
    assert (await post(http, "/invoices/1/return", "1", SIMPLE)).status_code == 404
    assert await of_customers(shared, number) == []


def item(number: str, key: str, **more: Any) -> dict[str, Any]:
    return {"invoice_number": number, "command_id": key, **SIMPLE, **more}


async def test_returns_in_one_request_are_each_answered_in_order_and_a_bad_one_harms_no_other(
    http: httpx.AsyncClient, billing: Client, shared: Shared, number: str
) -> None:
    await billing.submit(register(number, kind="general", charges=[number]))
    unknown = f"{number[:2]}88{number[4:]}"
    items = [
        item(number, "malformed", reason="boredom"),
        item(unknown, "unknown"),
        item(number, "many-1"),
        "a return",
        {"invoice_number": number, **SIMPLE},
        item("1", "short"),
    ]
    answer = await http.post("/returns", json={"items": items})
    assert answer.status_code == 200, answer.text
    outcomes = answer.json()["items"]
    assert [outcome["status"] for outcome in outcomes] == [422, 404, 200, 422, 422, 422]
    assert outcomes[2]["reply"]["status"] == "return_in_progress"
    assert [(outcomes[2][name]) for name in ("invoice_number", "command_id")] == [number, "many-1"]
    assert outcomes[1]["problem"]["code"] == "INVOICE_NOT_FOUND"
    faults = [[fault["field"] for fault in outcomes[place]["problem"]["faults"]] for place in (0, 3, 4, 5)]
    assert faults == [["reason"], ["data"], ["command_id"], ["invoice_number"]]
    assert [record["ce_id"] for record in await of_customers(shared, number)] == ["many-1"]

    again = (await http.post("/returns", json={"items": items})).json()["items"]
    assert again[2]["reply"] == outcomes[2]["reply"] | {"replayed": True}
    alone = await post(http, of(number), "many-1", SIMPLE)
    assert alone.json() == again[2]["reply"]


async def test_a_hundred_returns_are_waited_for_together(http: httpx.AsyncClient, billing: Client, number: str) -> None:
    numbers = [f"{number[:2]}{place:03d}{number[5:]}" for place in range(100)]
    for one in numbers:
        await billing.submit(register(one, kind="general", charges=[one]))
    items = [item(one, f"hundred-{one}") for one in numbers]
    outcomes = (await http.post("/returns", json={"items": items}, timeout=30)).json()["items"]
    assert [outcome["reply"]["invoice_number"] for outcome in outcomes] == numbers


async def test_nothing_is_published_from_a_body_that_is_not_a_list_of_returns(
    http: httpx.AsyncClient, shared: Shared, number: str
) -> None:
    good = item(number, "unlisted")
    bad: list[tuple[Any, list[str]]] = [
        ([good], ["data"]),
        ({}, ["items"]),
        ({"items": []}, ["items"]),
        ({"items": [good] * 101}, ["items"]),
        ({"items": good}, ["items"]),
        ({"items": [good], "wait": 5}, ["wait"]),
        ({"items": [good | {"remarks": "x" * 300_000}]}, ["data"]),
    ]
    for body, fields in bad:
        answer = await http.post("/returns", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_COMMAND"), fields
        assert [fault["field"] for fault in answer.json()["faults"]] == fields
    assert await of_customers(shared, number) == []


async def test_a_reply_that_takes_long_is_looked_for_later(
    http: httpx.AsyncClient, shared: Shared, number: str
) -> None:
    """No worker runs; when one does, the same key gets the reply."""
    shared.roles.stop("worker")
    answer = await post(http, of(number), "later", SIMPLE)
    assert (answer.status_code, answer.headers["location"]) == (202, of(number, "status"))
    underway = {"status": "published", "command_id": "later", "monitor": monitor_address("later", SOURCE)}
    assert (answer.json(), answer.headers["link"]) == (underway, f'<{underway["monitor"]}>; rel="monitor"')
    (outcome,) = (await http.post("/returns", json={"items": [item(number, "later")]})).json()["items"]
    assert (outcome["status"], outcome["location"]) == (202, of(number, "status"))
    assert outcome["underway"] == underway
    shared.roles.start("worker")
    async with asyncio.timeout(60):
        while (later := await post(http, of(number), "later", SIMPLE)).status_code == 202:
            pass  # the worker is starting
    assert (later.status_code, later.json()["code"], later.json()["replayed"]) == (404, "INVOICE_NOT_FOUND", True)


async def test_an_api_without_kafka_turns_commands_away_at_once(shared: Shared, number: str, tmp_path: Path) -> None:
    nowhere = Addresses("127.0.0.1:1", shared.addresses.database)
    async with system(nowhere, tmp_path, "api") as (_, http):
        answer = await post(http, of(number), "nowhere", SIMPLE)
    assert (answer.status_code, answer.json()["code"]) == (503, "COMMANDS_UNAVAILABLE")
