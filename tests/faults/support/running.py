"""The roles as processes of their own, and the ways in which they are hurt."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from transport.addresses import Addresses

PROGRAM = Path(sys.executable).parent / "redletter"
JOINED_WITHIN = 30.0
"""Seconds until a new role has its share of the partitions."""
STOP_WITHIN = 15.0
"""Seconds that a role has to stop when asked to."""


@dataclass
class Roles:
    """Role processes, each started again as often as it is killed."""

    addresses: Addresses
    logs: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])
    kills: int = 0

    def start(self, *names: str) -> None:
        """Start roles. A name may carry a number, such as ``worker-2``."""
        for name in names:
            with (self.logs / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [PROGRAM, re.sub(r"-\d+$", "", name)],
                    env=self._environment(name),
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
        """Wait until the last that a role was assigned are as many partitions, over all topics, as the range says."""
        async with asyncio.timeout(JOINED_WITHIN):
            while (self.assigned(name) or [-1])[-1] not in partitions:
                await asyncio.sleep(0.05)

    def assigned(self, name: str) -> list[int]:
        """Return how many partitions a role was assigned, each time it was, as its log tells."""
        told = (self.logs / f"{name}.log").read_text()
        return [int(count) for count in re.findall(r"partitions assigned.* partitions=(\d+)", told)]

    def freeze(self, name: str) -> None:
        """Stop a role in the middle of whatever it does."""
        self.running[name].send_signal(signal.SIGSTOP)

    def wake(self, name: str) -> None:
        """Let a frozen role go on as if nothing had been."""
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

    def _environment(self, name: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("REDLETTER_TESTS_")},
            "PGAPPNAME": name,  # so that a role's sessions can be told apart
            "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": self.addresses.kafka,
            "REDLETTER_DATABASE_URL": self.addresses.database,
            **self.environment,
        }
