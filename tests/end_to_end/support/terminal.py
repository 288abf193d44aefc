"""Commands as a user runs them beside the running system."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.conventions.support.tree import ROOT
from tests.end_to_end.support.screens import Shown
from tests.faults.support.roles import PROGRAM


class User:
    """A user at a terminal, with the settings of the running system."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = {**os.environ, **environment, "TZ": "Asia/Shanghai"}

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *arguments, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 300)
        return process.returncode or 0, out.decode(), err.decode()

    async def look_at(self, calls: Sequence[str], given: str) -> Mapping[str, Mapping[str, Shown]]:
        """Return what commands show in each of `MODES`. given: what is on their standard input."""
        called = "".join(json.dumps({"arguments": call.split(), "given": given}) + "\n" for call in calls)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.end_to_end.support.screens"),
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(called.encode()), 300)
        screens = [json.loads(line) for line in out.splitlines()]
        return {
            call: {mode: Shown(*shown) for mode, shown in screen.items()}
            for call, screen in zip(calls, screens, strict=True)
        }
