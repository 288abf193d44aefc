"""Processes that are killed at one crash point after the other, each started again at once with its next one."""

import asyncio
import itertools
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGKILL

from tests.faults.points import launch
from tests.faults.points.catalogue import POINTS, Point, points_of
from transport.addresses import Addresses

REACHED_WITHIN = 15.0
"""Seconds in which a process must come by its point; one that does not is killed wherever it is."""
REBUILT = ("status", "charges", "details")
"""The read models that are rebuilt without end."""
PROCESSES: Mapping[str, int] = {"worker": 2, "relay": 2, "projector": 1, "clock": 2, "rebuild": 1}
"""How many processes of each role there are at a time."""

Passing = tuple[Point, int]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([launch.__name__])


async def _ended(process: BaseProcess) -> None:
    """Wait until a process has ended."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)


async def exit_code_at(
    point: Point, passing: int, command: Sequence[str], environment: Mapping[str, str], log: Path
) -> int:
    """Run a command that is killed at the N-th passing of a point, and return its exit code.

    Raises: TimeoutError when it does not come by in time; it is killed then, wherever it is.
    """
    process = _FORKS.Process(target=launch.run, args=(str(point), passing, command, environment, log))
    process.start()
    try:
        await asyncio.wait_for(_ended(process), REACHED_WITHIN)
        return process.exitcode or 0
    finally:
        process.kill()
        process.join()
        process.close()


@dataclass
class Matrix:
    """Which points were reached, and how often a process was killed at each."""

    addresses: Addresses
    logs: Path
    kills: Counter[str] = field(default_factory=Counter[str])
    elsewhere: int = 0
    """Kills of processes that did not come by their point in time."""
    ended: Counter[str] = field(default_factory=Counter[str])
    """Processes that ended by themselves before their point: a rebuild that was done, a fenced owner."""

    async def run(self, passings: Sequence[int]) -> None:
        """Kill at every point once for each of ``passings``: at its first passing, its second, and so on.

        A role that is through with its points begins again, until all are: the others need it.
        """
        left = {role: len(points_of(role)) * len(passings) for role in PROCESSES}
        async with asyncio.TaskGroup() as group:
            for role, processes in PROCESSES.items():
                due = itertools.cycle([(point, passing) for passing in passings for point in points_of(role)])
                for number in range(processes):
                    group.create_task(self._killed_again_and_again(f"{role}-{number}", role, due, left))

    async def _killed_again_and_again(self, name: str, role: str, due: Iterator[Passing], left: dict[str, int]) -> None:
        """Start a process for each point, until every role is through. The processes of a role share its points."""
        models = itertools.cycle(REBUILT)
        while any(count > 0 for count in left.values()):
            command = ("projections", "rebuild", next(models)) if role == "rebuild" else (role,)
            await self._killed(name, *next(due), command)
            left[role] -= 1

    async def _killed(self, name: str, point: Point, passing: int, command: Sequence[str]) -> None:
        log = self.logs / f"{name}.log"
        try:
            code = await exit_code_at(point, passing, command, self._environment(name), log)
        except TimeoutError:
            self.elsewhere += 1
        else:
            self._count(point, code)

    def _count(self, point: Point, code: int) -> None:
        if code == -SIGKILL:
            self.kills[str(point)] += 1
        else:
            self.ended[str(point)] += 1

    def _environment(self, name: str) -> dict[str, str]:
        return {
            "PGAPPNAME": name,
            "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": self.addresses.kafka,
            "REDLETTER_DATABASE_URL": self.addresses.database,
            # The clock has something to send at any time, in the seconds that a process lives.
            "REDLETTER_TAX_REPEAT_SECONDS": "0.5",
            "REDLETTER_TAX_REPEAT_MAX_SECONDS": "1",
        }

    def report(self) -> str:
        """Say how often each point was reached, and which were not."""
        head = f"{self.kills.total()} kills at {len(self.kills)} points, {self.elsewhere} elsewhere"
        ends = f"{self.ended.total()} processes ended before their point"
        lines = [f"{kills:4} {name}" for name, kills in sorted(self.kills.items())]
        return "\n".join([f"{head}; {ends}", *lines, *(f"   - {name}" for name in self.missed())])

    def missed(self) -> list[str]:
        """Return the points at which no process was killed."""
        ours = {name for name, point in POINTS.items() if point.role in PROCESSES}
        return sorted(ours - self.kills.keys())
