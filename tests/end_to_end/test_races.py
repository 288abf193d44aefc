"""Two workers, and commands on invoices of both that want the same thing at the same moment: one has it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2

from events.commands import AnyCommand
from tests.end_to_end.support.client import Client, connected
from tests.faults.support.roles import Roles
from tests.service.support.orders import ask_return, observe, register
from tests.support.fresh_system import PARTITIONS
from transport.addresses import Addresses

PAIRS = 60
HALF = range(PARTITIONS // 2)
"""The partitions of each topic that the first worker has; the second has the others."""
SHARE = range(4 * len(HALF), 4 * len(HALF) + 1)
"""How many partitions that makes, over the four command topics."""


def partition(number: str) -> int:
    """Return the partition that every Kafka client puts an invoice's records in."""
    return (murmur2(number.encode()) & 0x7FFFFFFF) % PARTITIONS


def pairs() -> Iterator[tuple[str, str]]:
    """Yield numbers of invoices that different workers decide on."""
    numbers = [f"26{index:018d}" for index in range(1, 8 * PAIRS)]
    first = (number for number in numbers if partition(number) in HALF)
    second = (number for number in numbers if partition(number) not in HALF)
    yield from list(zip(first, second, strict=False))[:PAIRS]


@pytest.fixture
async def client(addresses: Addresses, tmp_path: Path) -> AsyncIterator[Client]:
    """Connect to a system with two workers, each with its share."""
    roles = Roles(addresses, tmp_path)
    roles.start("worker-1", "worker-2", "relay")
    try:
        for worker in ("worker-1", "worker-2"):
            await roles.holds(worker, SHARE)
        async with connected(addresses.kafka) as client:
            yield client
    finally:
        roles.leave()


async def answers(client: Client, commands: list[AnyCommand]) -> list[str]:
    """Publish commands all at once, and return what each is answered."""
    ids = await asyncio.gather(*(client.publish(command) for command in commands))
    return [(await client.answered(id_)).answer for id_ in ids]


def by_pair(answered: list[str]) -> list[set[str]]:
    return [set(answered[index : index + 2]) for index in range(0, len(answered), 2)]


async def test_a_charge_or_a_form_that_two_workers_are_asked_for_at_once_goes_to_one(client: Client) -> None:
    numbers = list(pairs())
    fresh = count()
    charges = [[f"own-{next(fresh)}"] for _ in numbers for _ in range(2)]
    both = [number for pair in numbers for number in pair]

    shared: list[AnyCommand] = [register(number, charges=[f"shared-{index // 2}"]) for index, number in enumerate(both)]
    taken = by_pair(await answers(client, shared))
    assert taken == [{"InvoiceIssued", "CHARGE_ALREADY_INVOICED"}] * PAIRS

    again: list[AnyCommand] = [register(number, charges=own) for number, own in zip(both, charges, strict=True)]
    await answers(client, again)  # whoever lost the charge is issued with one of its own
    recorded = await answers(client, [observe(number=number) for number in both])
    assert set(recorded) == {"PostingStatusChanged"}

    asked: list[AnyCommand] = [
        ask_return(number, red_font_form_number=f"33{index // 2:018d}") for index, number in enumerate(both)
    ]
    claimed = by_pair(await answers(client, asked))
    assert claimed == [{"ReturnRequested", "RED_FONT_FORM_ALREADY_USED"}] * PAIRS
