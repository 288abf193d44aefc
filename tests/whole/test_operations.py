"""The operations board tells what somebody must look at, and metrics tell the same to machines."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from events.topics import Channel
from tests.faults.support.running import Roles
from tests.service.support.orders import NUMBER, OTHER_NUMBER, ask_simply, credit, fail, register
from tests.whole.support.client import Client, connected
from tests.whole.support.running import system
from transport.addresses import Addresses

pytestmark = pytest.mark.integration

WITHIN = 30.0


@pytest.fixture
async def running(addresses: Addresses, tmp_path: Path) -> AsyncIterator[tuple[Roles, httpx.AsyncClient]]:
    async with system(addresses, tmp_path, "worker", "relay", "projector", "api") as running:
        yield running


@pytest.fixture
async def billing(addresses: Addresses) -> AsyncIterator[Client]:
    async with connected(addresses.kafka) as client:
        yield client


async def board(http: httpx.AsyncClient, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the board once it shows enough."""
    async with asyncio.timeout(WITHIN):
        while True:
            answer = await http.get("/operations")
            assert answer.status_code == httpx.codes.OK, answer.text
            if enough(found := answer.json()):
                return found
            await asyncio.sleep(0.2)


def behind(found: dict[str, Any], consumer: str) -> dict[str, Any]:
    return next(one for one in found["lag"] if one["consumer"] == consumer)


async def test_what_is_stuck_unreadable_or_alarming_is_on_the_board(
    running: tuple[Roles, httpx.AsyncClient], billing: Client, addresses: Addresses
) -> None:
    _, http = running
    await billing.tell(register(kind="general"))
    asked = await billing.tell(ask_simply())
    await billing.tell(fail(asked.events[0].return_id, code="TAX_PLATFORM_BUSY"))
    await billing.tell(register(OTHER_NUMBER, charges=("c2",)))
    nobody_waits = await billing.tell(credit(OTHER_NUMBER))
    assert nobody_waits.answer == "NO_RETURN_IN_PROGRESS"
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
        await producer.send_and_wait(Channel.TAX.value, b"{", key=b"k")

    found = await board(http, lambda told: bool(told["alarms"] and told["failing"] and told["dead_letters"]))
    assert found["returns"] == [{"phase": "opening_form", "returns": 1, "overdue": 0}]
    (failing,) = found["failing"]
    assert (failing["invoice_number"], failing["failure"], failing["attempts"]) == (NUMBER, "TAX_PLATFORM_BUSY", 1)
    (alarm,) = found["alarms"]
    assert (alarm["command_type"], alarm["code"], alarm["times"]) == (
        "redletter.invoice.RecordCreditNote.v1",
        "NO_RETURN_IN_PROGRESS",
        1,
    )
    assert found["dead_letters"][0]["topic"] == Channel.TAX.value
    assert found["dead_letters_by_reason"] == {"MALFORMED_COMMAND": 1}

    metrics = (await http.get("/metrics")).text
    assert (
        'redletter_alarms_total{answer="NO_RETURN_IN_PROGRESS",command="redletter.invoice.RecordCreditNote.v1"} 1.0'
        in metrics
    )
    assert 'redletter_open_returns{phase="opening_form"} 1.0' in metrics
    assert 'redletter_lag_messages{consumer="redletter.worker"} 0.0' in metrics


async def test_who_is_behind_is_told_in_messages_and_seconds(
    running: tuple[Roles, httpx.AsyncClient], billing: Client
) -> None:
    roles, http = running
    await billing.tell(register())
    level = await board(http, lambda told: all(one["messages"] == 0 for one in told["lag"]))
    assert all(one["seconds"] == 0 for one in level["lag"])
    assert len(level["lag"]) >= 10
    roles.stop("projector")
    await billing.tell(register(OTHER_NUMBER, charges=("c2",)))
    later = await board(http, lambda told: behind(told, "redletter.projector.status")["seconds"] > 1)
    assert behind(later, "redletter.projector.status")["messages"] == 1
    assert behind(later, "redletter.worker")["messages"] == 0
