"""The simulator keeps books like a tax platform, and every path in its help leads where it says."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from events import cloudevents
from events.catalogue import json_of, name_of
from events.tax_requests import AnyTaxRequest, VerifyRedFontForm
from events.topics import TAX_REQUESTS_TOPIC, Channel
from service.clock.timer_actions import OpenTimer, actions
from tax_simulator import role
from tests.faults.support.evidence import everything, headers
from tests.service.support.clock_facts import issued, requested
from tests.service.support.orders import FORM, OTHER_FORM
from tests.support.tasks import running
from tests.tax_simulator.support.numbers import OTHER, USUAL, number
from transport.addresses import Addresses


def simulating(addresses: Addresses) -> AbstractAsyncContextManager[asyncio.Future[None]]:
    return running(role.run(addresses, clock_shift=timedelta(0)))


async def ask(addresses: Addresses, *requests: AnyTaxRequest | bytes) -> None:
    """Publish requests as the clock does; bytes are none."""
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka, acks="all") as producer:
        for request in requests:
            if isinstance(request, bytes):
                await producer.send_and_wait(TAX_REQUESTS_TOPIC, request, key=b"key")
                continue
            headers = cloudevents.headers(
                id=request.request_id,
                source="urn:redletter:clock",
                name=name_of(type(request)),
                subject=request.invoice_number,
                time=requested().occurred_at,
                correlation="story",
                causation="event",
            )
            await producer.send_and_wait(
                TAX_REQUESTS_TOPIC, json_of(request), key=request.invoice_number.encode(), headers=headers
            )


async def heard(addresses: Addresses, enough: int) -> list[tuple[str, dict[str, Any]]]:
    """Wait for that many answers on the topic of the tax connector."""
    async with asyncio.timeout(60):
        while len(found := await everything(addresses.kafka, Channel.TAX.value)) < enough:
            await asyncio.sleep(0.05)
    return [(headers(one)["ce_correlationid"], json.loads(one.value or b"{}")) for one in found]


def about_form(invoice_number: str, form_number: str = FORM) -> VerifyRedFontForm:
    opened = next(iter(actions(requested(number=invoice_number), issued(number=invoice_number))))
    assert isinstance(opened, OpenTimer)
    assert isinstance(opened.body, VerifyRedFontForm)
    return opened.body.model_copy(update={"form_number": form_number})


async def test_requests_on_the_topic_are_answered_on_the_connectors_and_rubbish_is_passed_over(
    addresses: Addresses,
) -> None:
    async with simulating(addresses):
        await ask(addresses, b"\xff", about_form(USUAL))
        ((correlation, body),) = await heard(addresses, 1)
    assert (correlation, body["form"]["state"], body["invoice_number"]) == ("story", "04", USUAL)


async def test_the_books_and_the_answers_on_their_way_outlive_the_simulator(addresses: Addresses) -> None:
    """The form is read once more after a restart, confirmed at the same moment as before."""
    slow, first = about_form(number("41"), OTHER_FORM), about_form(USUAL)
    async with simulating(addresses):
        await ask(addresses, slow, first)
        ((_, before),) = await heard(addresses, 1)
    async with simulating(addresses):
        await ask(addresses, first.model_copy(update={"attempt": 2}))
        answers = [body for _, body in await heard(addresses, 3)]
    again = [body for body in answers if body["invoice_number"] == USUAL]
    assert again == [before, before]
    assert [body["form"]["state"] for body in answers if body["invoice_number"] == number("41")] == ["04"]


async def test_a_simulator_that_is_stopped_finishes_what_it_has_begun_and_answers_no_request_twice(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when SIGTERM comes between the answer and the commit of the request's offset."""
    answered, proceed = asyncio.Event(), asyncio.Event()
    commit = AIOKafkaConsumer.commit

    async def committing(consumer: AIOKafkaConsumer) -> None:
        answered.set()
        await proceed.wait()
        await commit(consumer)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", committing)
    async with simulating(addresses) as simulator:
        await ask(addresses, about_form(USUAL))
        await answered.wait()
        simulator.cancel()
        proceed.set()
    async with simulating(addresses):
        await ask(addresses, about_form(OTHER, OTHER_FORM))
        answers = await heard(addresses, 2)
    assert sorted(body["invoice_number"] for _, body in answers) == [USUAL, OTHER]
