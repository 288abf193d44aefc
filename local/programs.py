"""A program that runs as its own process, and the commands that run it so that it cannot be left behind."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from local import end_with_parent


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how to end it.

    command: the program's absolute path and its arguments.
    stop: the signal that asks it to stop. stop_seconds: how long it then has before it is killed.
    user: the system user it runs as; None for the user who starts it.
    environment: variables in addition to those of the process that starts it.
    """

    name: str
    command: tuple[str, ...]
    stop: Signals = SIGTERM
    stop_seconds: float = 4.0
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


def tied_command(program: Program, *, on_death: Signals = SIGKILL) -> tuple[str, ...]:
    """Return the command that runs the program as its user, and ends it when the process that started it dies."""
    user = ("--user", program.user) if program.user else ()
    return (*_END_WITH_PARENT, "exec", "--on-death", on_death.name, *user, "--", *program.command)


def watched_command(program: Program, *, on_death: Signals = SIGKILL) -> tuple[str, ...]:
    """Return the command that runs the program until its own standard input closes."""
    end = ("--stop", program.stop.name, "--stop-seconds", str(program.stop_seconds))
    return (*_END_WITH_PARENT, "watch", *end, "--", *tied_command(program, on_death=on_death))


# Isolated (-I) and without site packages (-S): it starts in 20 ms, and no variable or folder changes what it imports.
_END_WITH_PARENT = (sys.executable, "-I", "-S", str(Path(end_with_parent.__file__)))
