"""What `up`, tests and benchmarks know of an embedded server: how it is prepared, run and asked whether it answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from local.programs import Program


class ServerFailed(Exception):
    """A server did not start. The message has the last lines of its log."""


class Server(Protocol):
    """A server on this machine whose files are in one folder."""

    name: str

    @property
    def address(self) -> str:
        """Where clients find it; known once it is prepared."""
        ...

    def prepare(self) -> None:
        """Create its files and choose its ports, unless that is already done. Only while it does not run."""
        ...

    def program(self) -> Program:
        """Return the program that is the server."""
        ...

    def answers(self) -> bool:
        """Return whether it answers a client now."""
        ...


def _silent(_: str) -> None:
    pass


class FolderServer:
    """What the embedded servers have in common: a folder, and a port that is kept in it."""

    def __init__(self, folder: Path, say: Callable[[str], None] = _silent) -> None:
        """folder: its files. say: called with progress that takes a while."""
        self._folder = folder.resolve()
        self._say = say
        self._port = 0
