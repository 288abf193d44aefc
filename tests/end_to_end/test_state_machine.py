"""The running system and a naive model of the seed, side by side: whatever is sent, both decide the same."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.commands import AnyCommand
from local import ports
from tests.end_to_end.support.client import Client, connected
from tests.end_to_end.support.machine import MAX_STEPS, Outcome, World, play
from tests.faults.support.roles import Roles
from transport.addresses import Addresses

SHORT = 150
"""Steps through Kafka and HTTP, where each takes much longer than on the rules alone."""


class Running(World):
    """The roles on real servers, through Kafka and HTTP. The tax side and the clock are the machine's."""

    def __init__(self, client: Client, http: httpx.Client, runner: asyncio.Runner) -> None:
        self._run = itertools.count(1)
        self._client = client
        self._http = http
        self._runner = runner

    @property
    def now(self) -> datetime:  # type: ignore[override] - read, and never set
        return datetime.now(UTC)

    def names(self) -> int:
        return next(self._run)

    def pass_time(self, days: int) -> None:
        """Time cannot be made to pass here: nothing is overdue."""

    def submit(self, command: AnyCommand) -> Outcome:
        answered = self._runner.run(self._client.submit(command))
        return Outcome(answered.answer, answered.events[-1] if answered.events else None, answered.reply.get("status"))

    def document(self, number: str, version: int) -> dict[str, Any]:
        answer = self._http.get(f"/invoices/{number}/status", params={"min_version": version, "wait": 30})
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()


@pytest.fixture
def running(addresses: Addresses, tmp_path: Path) -> Iterator[Running]:
    """Start the roles, and connect."""
    (port,) = ports.free(1)
    roles = Roles(addresses, tmp_path, {"REDLETTER_API_PORT": str(port)})
    roles.start("worker", "relay", "projector", "api")
    stack = AsyncExitStack()
    try:
        transport = httpx.HTTPTransport(retries=8)  # while the api starts
        with (
            asyncio.Runner() as runner,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=40, transport=transport) as http,
        ):
            client = runner.run(stack.enter_async_context(connected(addresses.kafka)))
            yield Running(client, http, runner)
            runner.run(stack.aclose())
    finally:
        roles.leave()


def test_the_running_system_and_the_seed_agree(running: Running) -> None:
    reached = play(running, examples=2 * SHORT // MAX_STEPS)
    assert reached["steps"] >= SHORT
    assert len(reached) > 15
