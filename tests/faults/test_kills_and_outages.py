"""Nothing is lost, doubled or half done while all around it breaks. On servers of its own, since it kills them."""

import asyncio
import random

from projections.catalogue import REBUILT
from projections.rebuild.rebuilding import ProgressReport, verify
from tests.faults.support.hurt_system import ROLES, System, under
from tests.support.fresh_system import PARTITIONS
from tests.support.scale import SCALE, SEED

ALL = range(4 * PARTITIONS, 4 * PARTITIONS + 1)
SOME = range(1, 4 * PARTITIONS)
"""Partitions of the four command topics that a worker holds: every one, or a share."""


async def test_nothing_is_lost_doubled_or_stuck_while_processes_are_killed(system: System) -> None:
    rng = random.Random(SEED)  # noqa: S311 - a test's choice
    killed = [*ROLES, *rng.choices(ROLES, k=8 * SCALE)]

    async def kill_at_random() -> None:
        for role in killed:
            before = system.outside.answered
            await system.outside.progress(since=before, by=rng.randrange(40, 120))
            system.roles.kill(role)
            system.roles.start(role)

    await under(kill_at_random, system, invoices=200 * SCALE, noise=6)
    assert system.roles.kills == len(killed)


async def test_two_workers_share_the_load_also_when_one_leaves_and_one_freezes(system: System) -> None:
    async def join_leave_freeze() -> None:
        await system.outside.progress(since=0, by=100)
        system.roles.start("worker-2")
        await system.roles.holds("worker-2", SOME)
        await system.outside.progress(since=system.outside.answered, by=300)
        assert system.roles.stop("worker-2") == 0
        system.roles.start("worker-3")
        await system.roles.holds("worker-3", SOME)
        await asyncio.to_thread(system.freeze_in_a_transaction, "worker-3", "redletter.invoice_events")
        await system.roles.holds("worker", ALL)
        await system.outside.progress(since=system.outside.answered, by=100)
        # It wakes with a batch that it has read, and believes that it still owns the partitions.
        system.roles.wake("worker-3")
        await system.roles.holds("worker-3", SOME)

    await under(join_leave_freeze, system, invoices=100 * SCALE, noise=2, abreast=10)


async def test_no_read_model_goes_back_when_a_frozen_projector_wakes_up_after_another_took_over(system: System) -> None:
    async def freeze_and_wake() -> None:
        await system.outside.progress(since=0, by=100)
        await asyncio.to_thread(system.freeze_in_a_transaction, "projector", "projections.status")
        system.roles.start("projector-2")
        await system.outside.progress(since=system.outside.answered, by=100)
        await system.projected()
        system.roles.wake("projector")
        await system.outside.progress(since=system.outside.answered, by=300)

    await under(freeze_and_wake, system, invoices=100 * SCALE, noise=2, abreast=10)
    for entry in REBUILT.values():
        outcome = await verify(system.addresses, entry, ProgressReport(lambda _done, _total: None, lambda _: None))
        assert (entry.name, outcome.differences) == (entry.name, ())


async def test_work_resumes_by_itself_when_the_store_was_away_for_ten_seconds(system: System) -> None:
    async def store_away() -> None:
        await system.outside.progress(since=0, by=200)
        system.postgres.kill()
        await asyncio.sleep(10)  # the length of the outage is the case, not a wait for something
        system.postgres.start()

    await under(store_away, system, invoices=100 * SCALE, noise=2)


async def test_work_resumes_by_itself_when_the_broker_was_killed(system: System) -> None:
    async def broker_killed() -> None:
        await system.outside.progress(since=0, by=200)
        system.kafka.kill()
        await asyncio.to_thread(system.kafka.start)

    await under(broker_killed, system, invoices=100 * SCALE, noise=2)
