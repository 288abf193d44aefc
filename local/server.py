"""What `up`, tests and benchmarks know of an embedded server: how it is prepared, run and asked whether it answers."""

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
        """Tell whether it answers a client now."""
        ...
