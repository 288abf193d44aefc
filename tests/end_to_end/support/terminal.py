"""Commands as a user runs them beside the running system."""

import asyncio
import os
import subprocess

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
