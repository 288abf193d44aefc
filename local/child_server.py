"""An embedded server as a child of this process, for tests and benchmarks: started, stopped, killed and restarted."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Self

from local.log_files import last_lines
from local.programs import watched_command
from local.server import Server, ServerFailed
from local.waiting import wait_until

_START_TIMEOUT_SECONDS = 60.0
"""Longer than any server should need, even on a busy machine."""
_MAX_STARTS = 3
"""After a kill, the old process's files or ports are sometimes released a moment later."""


class ChildServer:
    """A server that ends with this process, however that ends."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._log = folder / f"{server.name}.log"
        self._watcher: subprocess.Popen[bytes] | None = None
        self.pid = 0
        """Of the server itself, for signals; 0 while it does not run."""

    @property
    def address(self) -> str:
        """Where clients find it; the same after a restart."""
        return self._server.address

    def start(self) -> None:
        """Start it and wait until it answers. Raises: ServerFailed."""
        if not self._server.address:
            self._server.prepare()
        for _ in range(_MAX_STARTS):
            self._spawn()
            settled = wait_until(lambda: self._ended() or self._server.answers(), seconds=_START_TIMEOUT_SECONDS)
            if settled and not self._ended():
                return
            self.kill()
        msg = f"{self._server.name} did not start; its log {self._log} ends with:\n{last_lines(self._log)}"
        raise ServerFailed(msg)

    def stop(self) -> None:
        """Stop it as its operator would, within a time limit."""
        if self._watcher:
            self._watcher.terminate()
            self._wait_until_gone()

    def kill(self) -> None:
        """Kill it with SIGKILL and wait until it is gone; `start` then starts it again on the same port."""
        self.signal(SIGKILL)
        self._wait_until_gone()

    def signal(self, number: Signals) -> None:
        """Send it a signal, such as SIGSTOP to freeze it."""
        if self.pid and not self._ended():  # pid 0, if it never started, would mean every process of our group
            os.kill(self.pid, number)

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._watcher = subprocess.Popen(  # noqa: S603 - our own command
                watched_command(self._server.program()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the tests; they stop their servers themselves
            )
        assert self._watcher.stdout  # noqa: S101 - for the type checker
        self.pid = int(self._watcher.stdout.readline() or 0)

    def _ended(self) -> bool:
        return self._watcher is None or self._watcher.poll() is not None

    def _wait_until_gone(self) -> None:
        if self._watcher:
            with self._watcher:  # waits, and closes the pipes
                pass
        self._watcher, self.pid = None, 0

    @contextmanager
    def running(self) -> Generator[Self]:
        """Run it for the length of a block."""
        try:
            self.start()
            yield self
        finally:
            self.stop()
