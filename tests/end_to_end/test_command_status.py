"""What becomes of a command over HTTP can be asked at every moment, wherever it is on its way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest

from tests.end_to_end.support.shared import Shared
from tests.service.support.orders import ACCOUNT, register
from tests.support.waiting import until
from web.gateway.commands import monitor_address, source_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ON_THE_WAY = ("worker", "relay", "projector")


async def request_return(shared: Shared, number: str, command_id: str) -> httpx.Response:
    headers = {"Idempotency-Key": command_id}
    return await shared.http.post(f"/invoices/{number}/return", json={"account_id": ACCOUNT}, headers=headers)


@asynccontextmanager
async def monitored(http: httpx.AsyncClient, command_id: str) -> AsyncGenerator[list[httpx.Response]]:
    """Ask for a command again and again, from when it is known until its reply is shown. Yield the answers."""
    answers: list[httpx.Response] = []

    async def ask() -> None:
        while not answers or answers[-1].status_code != 200:
            answer = await http.get(monitor_address(command_id, source_of(ACCOUNT)))
            if answers or answer.status_code != 404:
                answers.append(answer)

    asking = asyncio.create_task(ask())
    async with asyncio.timeout(120):
        await more(answers, 1)
        yield answers
        await asking


async def more(answers: list[httpx.Response], count: int = 2) -> None:
    """Wait for so many more answers: of two one was asked for after the call."""
    wanted = len(answers) + count

    async def come() -> bool:
        return len(answers) >= wanted or any(answer.status_code == 200 for answer in answers)

    await until(come)


async def decided(shared: Shared, command_id: str) -> bool:
    """Return whether the worker has replied."""
    async with await psycopg.AsyncConnection.connect(shared.addresses.database) as connection:
        replies = await connection.execute("select 1 from redletter.replies where causation_id = %s", (command_id,))
        return await replies.fetchone() is not None


async def test_a_command_is_underway_wherever_it_waits_and_then_has_its_reply(shared: Shared, number: str) -> None:
    await shared.billing.submit(register(number, kind="general", charges=[number]))
    for role in ON_THE_WAY:
        shared.roles.stop(role)
    posted = asyncio.create_task(request_return(shared, number, "monitored"))
    async with monitored(shared.http, "monitored") as answers:
        await more(answers)
        shared.roles.start("worker")
        await until(lambda: decided(shared, "monitored"))
        await more(answers)
        shared.roles.start("relay")
        await shared.billing.until(lambda: "monitored" in shared.billing.replies, "the reply")
        await more(answers)
        assert {answer.status_code for answer in answers} == {202}
        shared.roles.start("projector")
    assert {answer.status_code for answer in answers} == {202, 200}
    assert [answers[-1].json()] == shared.billing.replies["monitored"]
    assert (await posted).status_code in {200, 202}


async def test_no_command_is_unknown_for_a_moment_while_the_system_works(shared: Shared, number: str) -> None:
    await shared.billing.submit(register(number, kind="general", charges=[number]))

    async def watch(command_id: str) -> list[int]:
        posted = asyncio.create_task(request_return(shared, number, command_id))
        async with monitored(shared.http, command_id) as answers:
            await posted
        return [answer.status_code for answer in answers]

    statuses = await asyncio.gather(*(watch(f"watched-{one}") for one in range(30)))
    assert {status for one in statuses for status in one} <= {202, 200}
    assert all(one[-1] == 200 for one in statuses)


async def test_a_refusal_is_shown_as_the_reply_that_it_is(shared: Shared, number: str) -> None:
    refused = await request_return(shared, number, "refused")
    assert refused.status_code == 404
    async with monitored(shared.http, "refused") as answers:
        pass
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (200, "INVOICE_NOT_FOUND")
