"""Whatever process is killed, and wherever: nothing is lost, repeated, disordered or stuck."""

from pathlib import Path

from projections.catalogue import REBUILT as MODELS
from projections.rebuild.rebuilding import ProgressReport, verify
from tests.faults.points.matrix import REBUILT, Matrix
from tests.faults.support.hurt_system import ROLES, System, under
from tests.support.scale import LONG

PASSINGS = (1, 2, 3, 5, 8, 1, 2) if LONG else (1,)
"""Which times that a process comes by a point it is killed; the short form meets each point once."""
KILLS = 600 if LONG else 80
"""Kills at a point, of which there must be at least so many."""
MISSED = 5 if LONG else 25
"""Points at most that no process comes by; the short form passes each once, and a busy machine is slow."""


async def test_nothing_is_lost_doubled_or_stuck_wherever_a_process_is_killed(system: System, tmp_path: Path) -> None:
    matrix = Matrix(system.addresses, tmp_path)

    async def killed_everywhere() -> None:
        for role in ROLES:
            system.roles.kill(role)
        # One that lives: else a partition of the log may wait for its turn for longer than a command for its reply,
        # since a relay dies of the first of its partitions that comes by the point.
        system.roles.start("relay-2")
        await matrix.run(PASSINGS)
        system.roles.start(*ROLES)

    await under(killed_everywhere, system, invoices=100, noise=2, abreast=50)
    print(matrix.report())  # noqa: T201 - what `make prove` is asked for
    for name in REBUILT:
        outcome = await verify(
            system.addresses, MODELS[name], ProgressReport(lambda _done, _total: None, lambda _: None)
        )
        assert (name, outcome.differences) == (name, ())
    assert matrix.kills.total() >= KILLS
    assert len(matrix.missed()) <= MISSED, matrix.missed()
