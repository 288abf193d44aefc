"""A server that runs as a child of this process, for tests and benchmarks: started, stopped, killed, started again."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Protocol, Self

from local.program import Program, watched_command
from local.waiting import wait_until

START_WITHIN = 60.0
"""Seconds in which a server must answer; longer than any should need, even on a busy machine."""
TRIES = 3
"""Starts that may fail: after a kill, what the old process held is sometimes let go a moment later."""


class ServerFailed(Exception):
    """A server did not start. The message has the last lines of its log."""


class Server(Protocol):
    """A server on this machine whose files lie in one folder."""

    name: str

    @property
    def address(self) -> str:
        """Where clients find it; known once it is prepared."""
        ...

    def prepare(self) -> None:
        """Make its files and choose its ports, if that is not done yet. Only while it does not run."""
        ...

    def program(self) -> Program:
        """Return the program that is the server."""
        ...

    def answers(self) -> bool:
        """Tell whether it answers a client now."""
        ...


class EmbeddedServer:
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
        for _ in range(TRIES):
            self._spawn()
            if wait_until(lambda: self._ended() or self._server.answers(), within=START_WITHIN) and not self._ended():
                return
            self.kill()
        msg = f"{self._server.name} did not start; its log {self._log} ends with:\n{last_lines(self._log)}"
        raise ServerFailed(msg)

    def stop(self) -> None:
        """Stop it as its operator would, with a bound."""
        if self._watcher:
            self._watcher.terminate()
            self._gone()

    def kill(self) -> None:
        """Kill it with SIGKILL and wait until it is gone; `start` then starts it again on the same port."""
        self.signal(SIGKILL)
        self._gone()

    def signal(self, number: Signals) -> None:
        """Send it a signal, such as SIGSTOP to freeze it."""
        if self.pid and not self._ended():  # 0, where it could not even be spawned, would be every process of our group
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

    def _gone(self) -> None:
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


def last_lines(file: Path, count: int = 20) -> str:
    """Return the end of a log, or that there is none."""
    if not file.exists():
        return "(nothing)"
    return "\n".join(file.read_text(errors="replace").splitlines()[-count:])
