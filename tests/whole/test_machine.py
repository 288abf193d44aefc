"""Redletter and a naive telling of the seed, side by side: whatever is sent, both say the same."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from events.catalogue import EVENT_TYPES, json_of
from events.commands import AnyCommand
from events.status import InvoiceStatus
from local import ports
from projections.status.fold import fold
from service.invoice.refusal_kinds import RuleCode
from service.invoice.refusals import Refusal
from service.invoice.state import status_of
from tests.faults.support.running import Roles
from tests.service.support.scenario import Scenario
from tests.whole.support.client import Client, connected
from tests.whole.support.machine import Machine, Outcome, World
from tests.whole.support.stories import ENDS
from transport.addresses import Addresses

STEPS = 5000
SHORT = 150
"""Steps of the form that goes through Kafka and HTTP."""
RUN = 50
"""Steps of one run at most."""


class Rules(World):
    """The rules alone: decide, evolve and the status fold."""

    def __init__(self) -> None:
        self._run = itertools.count()
        self.scenario = Scenario()

    @property
    def now(self) -> datetime:  # type: ignore[override]
        return self.scenario.now

    def names(self) -> int:
        self.scenario = Scenario()
        return next(self._run)

    def pass_time(self, days: int) -> None:
        self.scenario.now += timedelta(days=days)

    def tell(self, command: AnyCommand) -> Outcome:
        self.scenario.now += timedelta(minutes=1)
        decision = self.scenario.when(command).decision
        if isinstance(decision, Refusal):
            return Outcome(decision.code, None, None)
        state = self.scenario.state(command.invoice_number)
        assert state is not None
        event = decision[-1] if decision else None
        return Outcome("+".join(type(one).__name__ for one in decision), event, status_of(state))

    def document(self, number: str, version: int) -> dict[str, Any]:
        document: InvoiceStatus | None = None
        for at, event in enumerate(self.scenario.streams[number], 1):
            document = fold(document, event, at)
        assert document is not None
        assert document.version == version
        return json.loads(json_of(document))


def test_the_rules_and_the_seed_agree_in_thousands_of_steps() -> None:
    reached = play(Rules(), examples=3 * STEPS // RUN)
    assert reached["steps"] >= STEPS
    wanted = {name.removesuffix(".v1") for name in EVENT_TYPES} | {*get_args(RuleCode)} | {*ENDS, "nothing"}
    assert sorted(wanted - reached.keys()) == [], "never reached"


def play(world: World, examples: int) -> Counter[str]:
    """Run the machine in a world; return what it has come to, and how often."""

    class InThisWorld(Machine):
        pass

    InThisWorld.world, InThisWorld.reached = world, Counter()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        InThisWorld,
        settings=settings(
            max_examples=examples,
            stateful_step_count=RUN,
            deadline=None,
            derandomize=True,
            suppress_health_check=cast("Any", list(HealthCheck)),
        ),
    )
    return InThisWorld.reached


class Running(World):
    """The roles on real servers, through Kafka and HTTP. The tax side and the clock are the machine's."""

    def __init__(self, client: Client, http: httpx.Client, runner: asyncio.Runner) -> None:
        self._run = itertools.count(1)
        self._client = client
        self._http = http
        self._runner = runner

    @property
    def now(self) -> datetime:  # type: ignore[override]
        return datetime.now(UTC)

    def names(self) -> int:
        return next(self._run)

    def pass_time(self, days: int) -> None:
        """Time cannot be made to pass here: nothing is overdue."""

    def tell(self, command: AnyCommand) -> Outcome:
        told = self._runner.run(self._client.tell(command))
        return Outcome(told.answer, told.events[-1] if told.events else None, told.reply.get("status"))

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


@pytest.mark.integration
def test_the_running_system_and_the_seed_agree(running: Running) -> None:
    reached = play(running, examples=2 * SHORT // RUN)
    assert reached["steps"] >= SHORT
    assert len(reached) > 15
