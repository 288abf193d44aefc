"""A read model with a bug about one invoice parks that one, all others stay current, and a release makes up for it."""

import random
import sys
from collections import Counter

import psycopg

from events.topics import EVENTS_TOPIC
from projections.catalogue import REBUILT
from projections.details import queries as details
from projections.rebuild.rebuilding import ProgressReport, verify
from projections.releasing import parked_invoices
from tests.faults.points.catalogue import points_of
from tests.faults.support.evidence import everything
from tests.faults.support.hurt_system import System, under
from tests.faults.support.load import simple
from tests.faults.support.projector_with_a_bug import UNFOLDABLE
from tests.support.scale import LOAD_SECONDS, SCALE, SEED

WITH_A_BUG = (sys.executable, "-m", "tests.faults.support.projector_with_a_bug")
ABREAST = 10
"""Invoices at a time: few, so that a projector that is killed again and again is not far behind in the end."""
SHOWN = 3
"""The version of the invoice before its credit note."""


async def test_a_bug_about_one_invoice_parks_it_alone_and_a_release_makes_up_for_it(system: System) -> None:
    rng = random.Random(SEED)  # noqa: S311 - a test's choice
    system.roles.stop("projector")
    system.roles.programs["projector"] = WITH_A_BUG
    await system.outside.play([simple(UNFOLDABLE)])
    for point in points_of("read model parking"):
        assert await system.is_killed_at(point, 1, "projector"), point
    system.roles.start("projector")

    async def kill_then_fix_and_release() -> None:
        await system.kill_by_turns(rng, "projector", kills=3, seconds=LOAD_SECONDS)
        await assert_only_one_is_out_of_date(system)
        system.roles.kill("projector")
        del system.roles.programs["projector"]
        system.roles.start("projector")
        await release_under_kills(system)
        assert parked_invoices(system.addresses.database) == []

    await under(kill_then_fix_and_release, system, invoices=20 * SCALE, noise=2, abreast=ABREAST)
    verified = await verify(system.addresses, REBUILT["details"], ProgressReport(lambda *_: None, lambda _: None))
    assert (verified.same, verified.parked) == (True, 0)


async def assert_only_one_is_out_of_date(system: System) -> None:
    """Check that the details show of every invoice all events that there are, but for one, which says why not."""
    there = Counter(record.key for record in await everything(system.addresses.kafka, EVENTS_TOPIC))
    await system.projected()
    with psycopg.connect(system.addresses.database) as connection:
        rows = connection.execute("select invoice_number, version from projections.details").fetchall()
    shown = {number.encode(): version for number, version in rows}
    assert [key for key, events in there.items() if shown.get(key or b"", 0) < events] == [UNFOLDABLE.encode()]
    parked = [(one.model, one.invoice_number) for one in parked_invoices(system.addresses.database)]
    assert parked == [("details", UNFOLDABLE)]
    async with await psycopg.AsyncConnection.connect(system.addresses.database) as connection:
        answer = await details.of(connection, UNFOLDABLE)
    assert answer is not None
    assert answer.version == SHOWN
    assert "an injected bug" in (answer.out_of_date or "")


async def release_under_kills(system: System) -> None:
    """Release the invoice, by processes that are killed at every point of a release; the last one may end."""
    command = ("projections", "release", "--all")
    for point in points_of("read model release"):
        assert await system.is_killed_at(point, 1, *command), point
    assert await system.run(*command) == 0
