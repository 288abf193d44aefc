"""Relays as processes: what is written is published once and in order while they are killed, frozen and joined."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from events.topics import EVENTS_TOPIC, REPLIES_TOPIC
from service.store.event_store import Store
from tests.faults import support
from tests.faults.support.evidence import assert_no_gap_and_no_duplicate, everything, headers
from tests.faults.support.roles import Roles
from tests.service.support.rows import event, reply, save
from tests.support.fresh_system import PARTITIONS
from transport.addresses import Addresses

NUMBERS = [f"26{index:018d}" for index in range(24)]
"""Invoices in every partition."""
PUBLISHED_WITHIN = 60.0
SHARE = range(1, PARTITIONS)
ALL = range(PARTITIONS, PARTITIONS + 1)


class Writing:
    """Writes to every partition, round after round, and knows what must come of it."""

    def __init__(self, addresses: Addresses) -> None:
        self._bootstrap = addresses.kafka
        self._store = Store(addresses.database)
        self.rounds = 0

    def once(self) -> None:
        """Write one more command of every invoice."""
        self.rounds += 1
        save(self._store, [row for n in NUMBERS for row in (event(n, self.rounds), reply(n, f"{n}-{self.rounds}"))])

    @asynccontextmanager
    async def continuing(self) -> AsyncGenerator[None]:
        """Write for the length of a block."""

        async def write() -> None:
            while True:
                await asyncio.to_thread(self.once)
                await asyncio.sleep(0.02)

        task = asyncio.create_task(write())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def published(self, within: float = PUBLISHED_WITHIN) -> None:
        """Wait until all that was written is published."""
        async with asyncio.timeout(within):
            while len(await everything(self._bootstrap, REPLIES_TOPIC)) < len(NUMBERS) * self.rounds:
                await asyncio.sleep(0.2)

    async def verify(self) -> None:
        """Check that each event and each reply is there once and in order."""
        events = await everything(self._bootstrap, EVENTS_TOPIC)
        assert_no_gap_and_no_duplicate(events)
        assert len(events) == len(NUMBERS) * self.rounds
        replies = [headers(record)["ce_id"] for record in await everything(self._bootstrap, REPLIES_TOPIC)]
        assert len(replies) == len(set(replies)) == len(NUMBERS) * self.rounds

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


@pytest.fixture
async def writing(addresses: Addresses) -> AsyncIterator[Writing]:
    """Write to a system of this test's own."""
    writing = Writing(addresses)
    yield writing
    writing.close()


@pytest.fixture
async def roles(addresses: Addresses, tmp_path: Path) -> AsyncIterator[Roles]:
    """Run relays on it."""
    roles = Roles(addresses, tmp_path)
    yield roles
    roles.end()


async def test_what_a_frozen_relay_held_is_published_by_another(roles: Roles, writing: Writing) -> None:
    roles.start("relay-1", "relay-2")
    await roles.share(("relay-1", "relay-2"), PARTITIONS)
    await asyncio.to_thread(writing.once)
    await writing.published()
    roles.freeze("relay-1")
    await asyncio.to_thread(writing.once)
    await writing.published()
    roles.wake("relay-1")
    await roles.holds("relay-1", SHARE)
    await asyncio.to_thread(writing.once)
    await writing.published()
    await writing.verify()


async def test_a_group_of_three_that_changes_loses_repeats_and_disorders_nothing(
    roles: Roles, writing: Writing
) -> None:
    async with writing.continuing():
        roles.start("relay-1")
        await roles.holds("relay-1", ALL)
        roles.start("relay-2", "relay-3")
        await roles.share(("relay-1", "relay-2", "relay-3"), PARTITIONS)
        roles.kill("relay-1")
        roles.start("relay-1")
        roles.freeze("relay-2")
        await roles.holds("relay-1", SHARE)
        roles.wake("relay-2")
        await roles.share(("relay-1", "relay-2", "relay-3"), PARTITIONS)
        assert roles.stop("relay-3") == 0
        roles.kill("relay-1")
        await roles.holds("relay-2", ALL)
    await writing.published()
    await writing.verify()


@pytest.mark.parametrize("commit", [1, 2, 9])
async def test_a_relay_killed_in_its_first_transactions_starts_again(
    roles: Roles, writing: Writing, addresses: Addresses, commit: int
) -> None:
    """The first are those of the positions before the first entry; then come the first entries."""
    await asyncio.to_thread(writing.once)
    program = Path(support.__file__).with_name("relay_killed_at_commit.py")
    arguments = [str(program), addresses.kafka, addresses.database, str(commit)]
    dying = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=os.environ)
    assert await asyncio.wait_for(dying.wait(), 60) == -signal.SIGKILL
    roles.start("relay")
    await writing.published()
    await writing.verify()
