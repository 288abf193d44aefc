"""The operations board shows what needs attention, and the metrics show the same to machines."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from events.invoice_events import ReturnRequested
from events.topics import Channel
from tests.end_to_end.support.shared import Shared
from tests.service.support.orders import ask_simply, credit, fail, register
from tests.web.support.serving import measured

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHIN = 60.0


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


async def test_what_is_stuck_unreadable_or_alarming_is_on_the_board(shared: Shared, numbers: Iterator[str]) -> None:
    billing, http = shared.billing, shared.http
    number, other = islice(numbers, 2)
    await billing.submit(register(number, kind="general", charges=[number]))
    (asked,) = (await billing.submit(ask_simply(number))).events
    assert isinstance(asked, ReturnRequested)
    await billing.submit(fail(asked.return_id, number, code="TAX_PLATFORM_BUSY"))
    await billing.submit(register(other, charges=[other]))
    nobody_waits = await billing.submit(credit(other))
    assert nobody_waits.answer == "NO_RETURN_IN_PROGRESS"
    async with AIOKafkaProducer(bootstrap_servers=shared.addresses.kafka) as producer:
        await producer.send_and_wait(Channel.TAX.value, b"{", key=b"k")

    found = await board(http, lambda shown: bool(shown["alarms"] and shown["failing"] and shown["dead_letters"]))
    assert found["returns"] == [{"phase": "opening_form", "returns": 1, "overdue": 0}]
    (failing,) = found["failing"]
    assert (failing["invoice_number"], failing["failure"], failing["attempts"]) == (number, "TAX_PLATFORM_BUSY", 1)
    (alarm,) = found["alarms"]
    assert (alarm["command_type"], alarm["code"], alarm["times"]) == (
        "redletter.invoice.RecordCreditNote.v1",
        "NO_RETURN_IN_PROGRESS",
        1,
    )
    assert found["dead_letters"][0]["topic"] == Channel.TAX.value
    assert found["dead_letters_by_reason"] == {"MALFORMED_COMMAND": 1}

    await measured(
        http,
        'redletter_alarms_total{answer="NO_RETURN_IN_PROGRESS",command="redletter.invoice.RecordCreditNote.v1"} 1.0',
        'redletter_open_returns{phase="opening_form"} 1.0',
        'redletter_lag_messages{consumer="redletter.worker"} 0.0',
        'redletter_partition_lag_messages{consumer="redletter.clock",partition="3",topic="invoice.events"} 0.0',
        'redletter_tax_requests{request="OpenRedFontForm",state="sent"} 1.0',
    )


async def test_lag_is_reported_in_messages_and_seconds(shared: Shared, numbers: Iterator[str]) -> None:
    billing, http, roles = shared.billing, shared.http, shared.roles
    first, second = islice(numbers, 2)
    await billing.submit(register(first, charges=[first]))
    level = await board(http, lambda shown: all(one["messages"] == 0 for one in shown["lag"]))
    assert all(one["seconds"] == 0 for one in level["lag"])
    assert len(level["lag"]) >= 10
    roles.stop("projector")
    await billing.submit(register(second, charges=[second]))
    later = await board(http, lambda shown: behind(shown, "redletter.projector.status")["seconds"] > 1)
    assert behind(later, "redletter.projector.status")["messages"] == 1
    assert behind(later, "redletter.worker")["messages"] == 0
    roles.start("projector")
