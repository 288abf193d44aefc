"""A relay gives no partition up, whatever its clients do."""

import asyncio

import pytest

from service.relay import partition
from service.relay.partition import PartitionRelay
from service.store.log_reader import LogReader
from service.store.notifications import News
from tests.support.tasks import running
from transport.addresses import Addresses


async def test_a_client_that_ends_as_if_it_were_cancelled_does_not_end_the_publication(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The task would end in silence, and nobody would publish the partition until it changes hands."""
    starts: asyncio.Queue[None] = asyncio.Queue()

    class Producer:
        async def start(self) -> None:
            starts.put_nowait(None)
            raise asyncio.CancelledError

    monkeypatch.setattr(partition, "TransactionalProducer", lambda *_: Producer())
    monkeypatch.setattr(partition, "MAX_PAUSE", 0.0)
    relay = PartitionRelay(Addresses("", ""), 0, LogReader(""), News())
    async with running(relay.publish_for_ever()), asyncio.timeout(60):
        await starts.get()
        await starts.get()
