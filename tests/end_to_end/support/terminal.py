"""Commands as a user runs them beside the running system."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from tests.conventions.support.tree import ROOT
from tests.end_to_end.support.screens import Shown
from tests.faults.support.roles import PROGRAM
from tests.support.patience import patiently


class User:
    """A user at a terminal, with the settings of the running system."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = {**os.environ, **environment, "TZ": "Asia/Shanghai"}

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; return its exit code and what it printed."""
        call = partial(subprocess.run, env=self.environment, capture_output=True, text=True, timeout=300, check=False)
        ended = await asyncio.to_thread(patiently, lambda: call([PROGRAM, *arguments]))
        return ended.returncode, ended.stdout, ended.stderr

    async def look_at(self, calls: Sequence[str], given: str) -> Mapping[str, Mapping[str, Shown]]:
        """Return what commands show in each of `MODES`. given: what is on their standard input."""
        called = "".join(json.dumps({"arguments": call.split(), "given": given}) + "\n" for call in calls)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.end_to_end.support.screens"),
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that it can be ended with the commands that it runs
        )
        try:
            async with asyncio.timeout(1200):
                out, _ = await process.communicate(called.encode())
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        screens = [json.loads(line) for line in out.splitlines()]
        return {
            call: {mode: Shown(*shown) for mode, shown in screen.items()}
            for call, screen in zip(calls, screens, strict=True)
        }
