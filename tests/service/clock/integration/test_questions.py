"""The clock asks the tax side at once, asks again until it is answered, and never after."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from tests.service.support import clock_facts
from tests.service.support.ticking import SOON, happened, ticking, timers, until
from transport.addresses import Addresses


async def test_a_request_goes_out_at_once_with_what_the_tax_side_needs(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.issued(), clock_facts.requested())
    async with ticking(addresses):
        (request,) = await until(addresses, lambda found: len(found) == 1)
    assert (request.name, request.id) == ("VerifyRedFontForm", f"{clock_facts.RETURN}-VerifyRedFontForm")
    assert request.body["request_id"] == request.id
    assert (request.body["attempt"], request.body["net_amount"], request.body["tax_amount"]) == (1, "-100.00", "0.00")


async def test_the_log_is_asked_for_the_invoice_again_while_it_does_not_know_it(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.requested())
    with capture_logs() as logs:
        async with ticking(addresses):
            async with asyncio.timeout(60):
                while not [line for line in logs if line["event"] == "batch_retried"]:
                    await asyncio.sleep(0.05)
            await happened(addresses, clock_facts.issued())
            (request,) = await until(addresses, lambda found: len(found) == 1)
    assert request.body["net_amount"] == "-100.00"


async def test_an_unanswered_request_is_repeated_under_its_id_with_growing_pauses(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.issued(), clock_facts.requested())
    async with ticking(addresses, repeat=SOON, most=3 * SOON):
        found = await until(addresses, lambda found: len(found) >= 5)
    assert {request.id for request in found} == {f"{clock_facts.RETURN}-VerifyRedFontForm"}
    assert [request.body["attempt"] for request in found][:5] == [1, 2, 3, 4, 5]
    pauses = [after.at - before.at for before, after in itertools.pairwise(found)]
    # Never early: 1, 2 and then 3 times the first pause, in milliseconds, less what clocks round away.
    assert [pause >= least - 20 for pause, least in zip(pauses, (300, 600, 900, 900), strict=False)] == [True] * 4


async def test_the_answer_ends_the_repeats_and_asks_the_next_question(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.issued(), clock_facts.requested())
    async with ticking(addresses, repeat=SOON, most=SOON):
        await until(addresses, lambda found: len(found) >= 2)
        await happened(addresses, clock_facts.confirmed(), clock_facts.reversed_())
        found = await until(addresses, lambda found: [r.name for r in found].count("VerifyReversal") >= 3)
    first = [request.name for request in found].index("VerifyReversal")
    assert {request.name for request in found[first:]} == {"VerifyReversal"}


async def test_nothing_is_asked_after_a_refusal(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.issued(), clock_facts.requested(), clock_facts.refused())
    other = "26000000000000000002"
    await happened(addresses, clock_facts.issued(number=other), clock_facts.requested("simple", number=other))
    async with ticking(addresses, repeat=SOON, most=SOON):
        found = await until(addresses, lambda found: [request.key for request in found].count(other) >= 3)
    assert {request.key for request in found} == {other}


async def test_a_failed_attempt_moves_the_next_sending(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.issued(), clock_facts.requested())
    async with ticking(addresses):
        await until(addresses, lambda found: len(found) == 1)
        await happened(addresses, clock_facts.failed(retry_at=datetime.now(UTC)))
        found = await until(addresses, lambda found: len(found) == 2)
    assert found[1].body["attempt"] == 2


async def test_a_failure_in_the_same_batch_as_the_request_puts_the_request_off(addresses: Addresses) -> None:
    await happened(
        addresses,
        clock_facts.issued(),
        clock_facts.requested(),
        clock_facts.failed(retry_at=datetime.now(UTC) + timedelta(minutes=30)),
    )
    other = "26000000000000000002"
    await happened(addresses, clock_facts.issued(number=other), clock_facts.requested("simple", number=other))
    async with ticking(addresses):
        await until(addresses, lambda found: other in {request.key for request in found})
        due = timers(addresses, "select due_at > now() + interval '20 minutes' from redletter.timers where id like %s")
    assert due == [True]


async def test_a_repeat_is_put_off_for_no_longer_than_the_longest_pause(addresses: Addresses) -> None:
    await happened(
        addresses,
        clock_facts.issued(),
        clock_facts.requested(),
        clock_facts.failed(retry_at=datetime.now(UTC) + timedelta(days=4000)),
    )
    async with ticking(addresses, most=SOON, repeat=SOON):
        await until(addresses, lambda found: len(found) >= 2)
