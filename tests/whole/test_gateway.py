"""Commands over HTTP: one key, one command, and the reply in the answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.topics import Channel
from tests.faults.support.evidence import everything, headers
from tests.service.support.orders import ACCOUNT, NUMBER, confirm, credit, observe, register
from tests.whole.support.client import Client, connected
from tests.whole.support.running import system
from transport.addresses import Addresses

pytestmark = pytest.mark.integration

SIMPLE = {"account_id": ACCOUNT}
RETURN = f"/invoices/{NUMBER}/return"
REISSUE = f"/invoices/{NUMBER}/reissue"


@pytest.fixture
async def http(addresses: Addresses, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Start worker, relay and api."""
    async with system(addresses, tmp_path, "worker", "relay", "api") as (_, http):
        yield http


@pytest.fixture
async def billing(addresses: Addresses) -> AsyncIterator[Client]:
    async with connected(addresses.kafka) as client:
        yield client


async def post(http: httpx.AsyncClient, path: str, key: str | None, body: Any) -> httpx.Response:
    return await http.post(path, json=body, headers={"Idempotency-Key": key} if key else {})


async def test_a_return_is_asked_for_once_however_often_it_is_clicked(
    http: httpx.AsyncClient, billing: Client, addresses: Addresses
) -> None:
    await billing.tell(register(kind="general"))
    clicks = await asyncio.gather(*(post(http, RETURN, "click-1", SIMPLE) for _ in range(3)))
    assert [click.status_code for click in clicks] == [200] * 3
    replies = [click.json() for click in clicks]
    assert {reply["status"] for reply in replies} == {"return_in_progress"}
    assert len({reply["events"][0]["id"] for reply in replies}) == 1
    assert sorted(reply["replayed"] for reply in replies) == [False, True, True]
    published = await everything(addresses.kafka, Channel.CUSTOMER.value)
    assert {headers(record)["ce_source"] for record in published} == {f"urn:redletter:api:{ACCOUNT}"}
    assert {headers(record)["ce_id"] for record in published} == {"click-1"}

    reused = await post(http, RETURN, "click-1", SIMPLE | {"remarks": "more"})
    assert (reused.status_code, reused.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    again = await post(http, RETURN, "click-2", SIMPLE)
    assert (again.status_code, again.json()["code"]) == (409, "RETURN_ALREADY_IN_PROGRESS")


async def test_a_refusal_is_a_problem_with_its_code_and_facts(http: httpx.AsyncClient, billing: Client) -> None:
    unknown = await post(http, RETURN, "1", SIMPLE)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "INVOICE_NOT_FOUND")
    await billing.tell(register())
    await billing.tell(observe())
    faulty = await post(http, RETURN, "2", SIMPLE)
    assert (faulty.status_code, faulty.json()["code"]) == (422, "RED_FONT_FORM_NUMBER_REQUIRED")
    assert [fault["field"] for fault in faulty.json()["details"]["faults"]] == [
        "red_font_form_number",
        "reason",
        "remarks",
    ]
    assert faulty.headers["content-type"] == "application/problem+json"
    early = await post(http, REISSUE, "3", SIMPLE | {"charge_ids": ["c1"]})
    assert (early.status_code, early.json()["code"]) == (409, "ORIGINAL_NOT_RETURNED")


async def test_a_reissue_is_asked_for(http: httpx.AsyncClient, billing: Client) -> None:
    for command in (register(kind="general"),):
        await billing.tell(command)
    assert (await post(http, RETURN, "1", SIMPLE)).status_code == 200
    for command in (confirm(kind="general", state="01"), credit()):
        assert "code" not in (await billing.tell(command)).reply
    asked = await post(http, REISSUE, "2", SIMPLE | {"charge_ids": ["c1"], "kind": "special"})
    assert (asked.status_code, asked.json()["status"]) == (200, "reversed_with_credit_note")


BAD: list[tuple[str | None, Any, list[str]]] = [
    (None, SIMPLE, ["Idempotency-Key"]),
    ("k" * 129, SIMPLE, ["Idempotency-Key"]),
    ("1", [], ["data"]),
    ("1", SIMPLE | {"invoice_number": NUMBER}, ["invoice_number"]),
    ("1", SIMPLE | {"remark": "?"}, ["remark"]),
    (None, {"reason": "boredom"}, ["Idempotency-Key", "account_id", "reason"]),
    ("1", SIMPLE | {"remarks": "a\0b"}, ["remarks"]),
    ("1", SIMPLE | {"remarks": "x" * 300_000}, ["data"]),
]


async def test_nothing_is_published_without_a_good_key_and_body(http: httpx.AsyncClient, addresses: Addresses) -> None:
    for key, body, fields in BAD:
        answer = await post(http, RETURN, key, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_COMMAND"), fields
        assert [fault["field"] for fault in answer.json()["faults"]] == fields
    broken = await http.post(RETURN, content=b"{", headers={"Idempotency-Key": "1"})
    assert (broken.status_code, broken.json()["code"]) == (422, "MALFORMED_COMMAND")
    assert (await post(http, "/invoices/1/return", "1", SIMPLE)).status_code == 404
    assert await everything(addresses.kafka, Channel.CUSTOMER.value) == []


async def test_a_reply_that_takes_long_is_looked_for_later(addresses: Addresses, tmp_path: Path) -> None:
    """No worker runs; when one does, the same key gets the reply."""
    async with system(addresses, tmp_path, "relay", "api") as (roles, http):
        answer = await post(http, RETURN, "1", SIMPLE)
        assert (answer.status_code, answer.headers["location"]) == (202, f"/invoices/{NUMBER}/status")
        roles.start("worker")
        async with asyncio.timeout(60):
            while (later := await post(http, RETURN, "1", SIMPLE)).status_code == 202:
                pass  # the worker is starting
        assert (later.status_code, later.json()["code"], later.json()["replayed"]) == (404, "INVOICE_NOT_FOUND", True)


async def test_an_api_without_kafka_turns_commands_away_at_once(addresses: Addresses, tmp_path: Path) -> None:
    nowhere = Addresses("127.0.0.1:1", addresses.database)
    async with system(nowhere, tmp_path, "api") as (_, http):
        answer = await post(http, RETURN, "1", SIMPLE)
    assert (answer.status_code, answer.json()["code"]) == (503, "COMMANDS_UNAVAILABLE")
