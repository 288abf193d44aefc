"""A worker with a bug about some invoices parks those, and a fix with a release makes up for it, whatever is killed."""

import asyncio
import itertools
import json
import random
import sys
from collections import defaultdict
from typing import Any

from events.topics import EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC
from local.waiting import wait_until
from service.store.event_store import Store
from tests.faults.points.catalogue import points_of
from tests.faults.support.evidence import answer_of, everything, headers
from tests.faults.support.hurt_system import ROLES, System, under
from tests.faults.support.load import Answer, Script, account, simple
from tests.faults.support.worker_with_a_bug import BROKEN
from tests.support.scale import LOAD_SECONDS, LONG, SCALE, SEED

NUMBERS = [f"26{number:018d}" for number in BROKEN[: 40 * SCALE]]
PASSINGS = (1, 2, 3) if LONG else (1,)
"""Which times that a release comes by a point it is killed."""
WITH_A_BUG = (sys.executable, "-m", "tests.faults.support.worker_with_a_bug")
PARKED_WITHIN = 60.0
"""Seconds until a worker has dealt with what waits on its topics, and the system with a release."""


def registration(number: str) -> Script:
    """Write the script that a worker without the bug answers."""
    script = simple(number)
    return Script(number, script.steps[:1])


def customer_steps(number: str) -> Script:
    """Write the commands of one topic that wait, in their order; two are repeats."""
    script = Script(number, version=1)
    own: dict[str, Any] = {"account_id": account(number)}
    requested = script.accepted("RequestReturn", "ReturnRequested", status="return_in_progress", **own)
    script.refused("AmendInvoice", "ISSUED_INVOICE_IMMUTABLE", **own, changes={"remarks": "x"})
    script.again(requested)
    script.refused("CancelReturn", "RETURN_CANNOT_BE_CANCELLED", **own)
    script.reused(requested, remarks="another body")
    script.again(requested)
    return script


async def park_under_kills(system: System) -> None:
    """Let commands wait, by workers with the bug that are killed at every point of parking."""
    points, waiting = points_of("parking"), [customer_steps(number).steps for number in NUMBERS]
    for index, point in enumerate(points):
        await system.outside.publish_at_once([step for steps in waiting[index :: len(points)] for step in steps])
        assert await system.is_killed_at(point, 1, "worker"), point


async def release_under_kills(system: System) -> None:
    """Release everything, by processes that are killed at every point of a release; the last one may end."""
    command = ("parked", "release", "--all")
    for passing, point in itertools.product(PASSINGS, points_of("release")):
        assert await system.is_killed_at(point, passing, *command), point
    assert await system.run(*command) == 0


async def test_a_bug_about_some_invoices_parks_those_and_a_release_makes_up_for_it(system: System) -> None:
    rng, store = random.Random(SEED), Store(system.addresses.database)  # noqa: S311 - a test's choice
    await system.outside.play([registration(number) for number in NUMBERS])
    system.roles.stop("worker")
    await park_under_kills(system)
    system.roles.programs["worker"] = WITH_A_BUG
    system.roles.start("worker")

    async def kill_then_fix_and_release() -> None:
        await system.kill_by_turns(rng, *ROLES, kills=2 * len(ROLES), seconds=LOAD_SECONDS)
        all_wait = {number: len(customer_steps(number).steps) for number in NUMBERS}
        assert await asyncio.to_thread(wait_until, lambda: found_waiting(store) == all_wait, seconds=PARKED_WITHIN)
        system.roles.kill("worker")
        del system.roles.programs["worker"]
        system.roles.start("worker")
        await release_under_kills(system)
        assert store.parked() == []
        store.close()

    await under(kill_then_fix_and_release, system, invoices=100 * SCALE, noise=2)
    await assert_made_up_for(system)


def found_waiting(store: Store) -> dict[str, int]:
    return {parked.invoice_number: parked.commands for parked in store.parked()}


async def assert_made_up_for(system: System) -> None:
    """Check that each command that waited has its answer in order, and that the events are those without the bug."""
    answers: dict[bytes | None, list[Answer]] = defaultdict(list)
    for record in await everything(system.addresses.kafka, REPLIES_TOPIC):
        answers[record.key].append(answer_of(json.loads(record.value or b"{}")))
    events: dict[bytes | None, list[str]] = defaultdict(list)
    for record in await everything(system.addresses.kafka, EVENTS_TOPIC):
        events[record.key].append(headers(record)["ce_type"].split(".")[2])
    notices: dict[bytes | None, list[tuple[str, int]]] = defaultdict(list)
    for record in await everything(system.addresses.kafka, PARKED_TOPIC):
        place = json.loads(record.value or b"{}")["place"]
        notices[record.key].append((headers(record)["ce_type"].split(".")[2], place))
    for number in NUMBERS:
        wanted = [step.answer for script in (registration(number), customer_steps(number)) for step in script.steps]
        assert answers[number.encode()] == wanted
        assert events[number.encode()] == ["InvoiceIssued", "ReturnRequested"]
        assert notices[number.encode()] == [
            (name, n) for name in ("CommandParked", "CommandReleased") for n in (1, 2, 3)
        ]
    assert set(notices) == {number.encode() for number in NUMBERS}
