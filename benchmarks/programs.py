"""The programs that are measured, each as processes of its own, which end with this one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP

from benchmarks.fresh_servers import DATABASE_VARIABLE, KAFKA_VARIABLE
from benchmarks.peers import kafka_streams
from local.log_files import last_lines
from local.programs import Program, tied_command
from redletter.roles import role_command
from transport.addresses import Addresses

WORKER = "worker"
"""How the name of a process that reads commands begins."""
WRITE_SIDE = ("relay", WORKER)
_OUTSIDE_KEY = "A" * 43 + "="
"""32 bytes in base64."""
READ_SIDE = ("projector", "clock")
STOP_WITHIN = 5.0
"""Seconds from SIGTERM until a process is killed."""


class ProgramFailed(Exception):
    """A process ended, or did not answer all commands. The message has the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Process:
    """One running process."""

    name: str
    running: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Make sure that it still runs. Raises: ProgramFailed."""
        if self.running.poll() is not None:
            msg = f"{self.name} ended:\n{last_lines(self.log)}"
            raise ProgramFailed(msg)

    def freeze(self) -> None:
        """Let it do nothing until `thaw`."""
        self.running.send_signal(SIGSTOP)

    def thaw(self) -> None:
        """Resume the process."""
        self.running.send_signal(SIGCONT)


def command_lines(program: str, own: Addresses, folder: Path) -> Mapping[str, Sequence[str]]:
    """Return the command lines of a program's processes, by name.

    The roles run as in earnest, at their usual log level. folder: for files, among them `recording_file`.
    """
    match program:
        case "naive":
            return {WORKER: (sys.executable, "-m", "benchmarks.naive")}
        case "streams":
            return {WORKER: kafka_streams.command_line(own.kafka, folder)}
        case "raw":
            return {WORKER: (sys.executable, "-m", "benchmarks.raw", str(recording_file(folder)))}
        case "sealed":
            seals = (str(shutil.which("env")), "REDLETTER_SEALING=on", f"REDLETTER_SEALING_KEY={_OUTSIDE_KEY}")
            return {role: (*seals, *role_command(role)) for role in WRITE_SIDE}
        case _:
            roles = WRITE_SIDE if program == "redletter" else (*READ_SIDE, *WRITE_SIDE)
            return {role: role_command(role) for role in roles}


def several(count: int) -> Mapping[str, Sequence[str]]:
    """Return the command lines of so many workers and relays."""
    return {f"{role}-{number}": role_command(role) for role in WRITE_SIDE for number in range(1, count + 1)}


def recording_file(folder: Path) -> Path:
    """Return the file that has what the raw pipe writes and publishes."""
    return folder / "recording"


@contextmanager
def running(commands: Mapping[str, Sequence[str]], addresses: Addresses, logs: Path) -> Generator[Sequence[Process]]:
    """Run the processes for the length of a block, their logs in files."""
    with ExitStack() as stack:
        yield [stack.enter_context(_running(name, line, addresses, logs)) for name, line in commands.items()]


@contextmanager
def _running(name: str, line: Sequence[str], addresses: Addresses, logs: Path) -> Generator[Process]:
    environment = os.environ | {KAFKA_VARIABLE: addresses.kafka, DATABASE_VARIABLE: addresses.database}
    file = logs / f"{name}.log"
    with file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            tied_command(Program(name, tuple(line))),
            env=environment,
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the benchmark, which then stops its processes itself
        )
    try:
        yield Process(name, process, file)
    finally:
        process.send_signal(SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
