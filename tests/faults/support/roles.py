"""The roles as processes of their own, and the ways in which they are hurt."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from local.programs import Program, tied_command
from transport.addresses import Addresses

PROGRAM = Path(sys.executable).parent / "redletter"
JOINED_WITHIN = 60.0
"""Seconds until a new role has its share of the partitions."""
STOP_WITHIN = 60.0
"""Seconds that a role has to stop when asked to."""


@dataclass
class Roles:
    """Role processes, each started again as often as it is killed."""

    addresses: Addresses
    logs: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])
    programs: dict[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """The command of a role that is not the installed one."""
    kills: int = 0
    read_from: dict[str, int] = field(default_factory=dict[str, int])
    """Bytes of each role's log about the time before its last start, freeze or wake."""

    def start(self, *names: str) -> None:
        """Start roles. A name may carry a number, such as ``worker-2``."""
        for name in names:
            self._forget(name)
            with (self.logs / f"{name}.log").open("ab") as log:
                command = self.programs.get(role := re.sub(r"-\d+$", "", name), (PROGRAM, role))
                self.running[name] = subprocess.Popen(
                    tied_command(Program(name, tuple(map(str, command)))),
                    env=self.environment_of(name),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )

    def kill(self, name: str) -> None:
        """End a role without a word."""
        process = self.running.pop(name)
        process.kill()
        process.wait(STOP_WITHIN)
        self.kills += 1

    async def holds(self, name: str, partitions: range) -> None:
        """Wait until a role has been assigned, since it was started or woken, as many partitions as the range says.

        Partitions are counted over all topics; the last assignment counts.
        """
        async with asyncio.timeout(JOINED_WITHIN):
            while (self.assigned(name) or [-1])[-1] not in partitions:
                await asyncio.sleep(0.05)

    async def share(self, names: Sequence[str], partitions: int) -> None:
        """Wait until each of these roles holds some of the partitions, and all of them together hold all."""
        async with asyncio.timeout(JOINED_WITHIN):
            while not all(held := [(self.assigned(name) or [0])[-1] for name in names]) or sum(held) != partitions:
                await asyncio.sleep(0.05)

    def assigned(self, name: str) -> list[int]:
        """Return how many partitions a role was assigned, each time since its last start, freeze or wake."""
        log = (self.logs / f"{name}.log").read_bytes()[self.read_from[name] :].decode()
        return [int(count) for count in re.findall(r'"partitions_assigned".* "partitions": (\d+)', log)]

    def _forget(self, name: str) -> None:
        log = self.logs / f"{name}.log"
        self.read_from[name] = log.stat().st_size if log.exists() else 0

    def freeze(self, name: str) -> None:
        """Stop a role in the middle of whatever it does."""
        self._forget(name)
        self.running[name].send_signal(signal.SIGSTOP)

    def wake(self, name: str) -> None:
        """Let a frozen role run again, as if nothing had happened."""
        self._forget(name)
        self.running[name].send_signal(signal.SIGCONT)

    def stop(self, name: str) -> int:
        """Ask a role to stop; return its exit code."""
        process = self.running.pop(name)
        process.terminate()
        return process.wait(STOP_WITHIN)

    def leave(self) -> None:
        """Ask all roles to stop, so that their groups need not wait for them; end those that do not."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_WITHIN)
        self.end()

    def end(self) -> None:
        """End whatever is left."""
        for process in self.running.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(STOP_WITHIN)
        self.running.clear()

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the environment of a process by that name."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("REDLETTER_TESTS_")},
            "PGAPPNAME": name,  # so that a role's sessions can be distinguished
            "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": self.addresses.kafka,
            "REDLETTER_DATABASE_URL": self.addresses.database,
            **self.environment,
        }
