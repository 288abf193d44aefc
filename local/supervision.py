"""A tree of programs that are kept running by supervisord, and that ends with this process, however that ends.

This process -> `tied` (watches the pipe from this process) -> supervisord -> the programs, each tied to supervisord.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from configparser import RawConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import IO, Any, Self, cast
from xmlrpc.client import Fault, ServerProxy

from supervisor.states import ProcessStates
from supervisor.xmlrpc import SupervisorTransport

from local.embedded import last_lines
from local.program import Program, tied_command, watched_command
from local.waiting import wait_until

STOP_WITHIN = 9.0
"""Seconds until supervisord itself is killed, and with it all programs; ours must stop within 10 s."""
STILL_STOPPING = 15.0
"""Seconds to wait for the tree of an earlier process that was killed."""
SETTLED = 2
"""Seconds that a program must stay up before its death counts as a new one; before that, each waits 1 s longer."""
RETRIES = 4
"""Deaths in a row that wait longer and longer. supervisord then gives the program up, and `revive` starts it again."""
LOG_BYTES = 10 << 20
_WITHOUT_WAITING = False
_LONGEST_SOCKET_PATH = 100
"""Characters. The kernel takes 107, and supervisord binds a slightly longer name first."""


class SupervisionFailed(Exception):
    """The tree cannot be started, or its supervisor ended."""


@dataclass(frozen=True, slots=True)
class Group:
    """Programs that start and stop together. Groups are stopped one after the other, the last one first."""

    name: str
    programs: Sequence[Program]


@dataclass(frozen=True, slots=True)
class State:
    """How a program is: its state in supervisord's words, its process id (0 if it does not run), and why it ended."""

    name: str
    word: str
    pid: int
    why: str


class Tree:
    """The programs of a folder under supervision. Nothing runs until it is started."""

    def __init__(self, folder: Path, groups: Sequence[Group], environment: Mapping[str, str], held: IO[str]) -> None:
        """Say what runs. environment: of supervisord and so of every program. held: the folder's lock, from `hold`."""
        self._held = held
        self._folder = folder
        self._groups = groups
        self._environment = environment
        self._logs = folder / "logs"
        self._socket = _socket_path(folder)
        self._watcher: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Generator[Self]:
        """Run supervisord for the length of a block, and stop everything at its end. Raises: SupervisionFailed."""
        try:
            self._start()
            yield self
        finally:
            self._stop()

    def start(self, group: str) -> None:
        """Start the programs of a group."""
        for program in self._programs(group):
            self._call("startProcess", f"{group}:{program.name}", _WITHOUT_WAITING)

    def states(self) -> Sequence[State]:
        """Return how every program is. Raises: SupervisionFailed when supervisord is gone."""
        found = cast("Sequence[Mapping[str, Any]]", self._call("getAllProcessInfo"))
        return [State(each["name"], each["statename"], each["pid"], each["spawnerr"]) for each in found]

    def revive(self) -> None:
        """Start again what supervisord has given up, so that nothing stays down and no wait grows without bound."""
        for group in self._groups:
            for program in group.programs:
                name = f"{group.name}:{program.name}"
                info = cast("Mapping[str, Any]", self._call("getProcessInfo", name))
                if info["state"] == ProcessStates.FATAL:
                    self._call("startProcess", name, _WITHOUT_WAITING)

    def log(self, program: str) -> Path:
        """Return the file of what a program writes to its standard output and standard error."""
        return self._logs / f"{program}.log"

    def _programs(self, group: str) -> Sequence[Program]:
        return next(each.programs for each in self._groups if each.name == group)

    def _start(self) -> None:
        self._logs.mkdir(exist_ok=True)
        configuration = self._folder / "supervisord.conf"
        with configuration.open("w") as file:
            self._configuration().write(file)
        command = (sys.executable, "-m", "supervisor.supervisord", "--configuration", str(configuration))
        supervisord = Program("supervisord", command, stop=SIGTERM, stop_within=STOP_WITHIN)
        with (self._logs / "supervisord.err").open("ab") as errors:
            self._watcher = subprocess.Popen(  # noqa: S603 - our own command
                watched_command(supervisord, on_death=SIGTERM),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self._folder,
                env=dict(self._environment),
                pass_fds=(self._held.fileno(),),
                start_new_session=True,  # Ctrl-C is for this process; it stops the others itself
            )
        if not wait_until(self._answers, within=15.0):
            msg = f"supervisord did not start: {last_lines(self._logs / 'supervisord.err')}"
            raise SupervisionFailed(msg)

    def _answers(self) -> bool:
        with suppress(SupervisionFailed, OSError):
            return bool(self._call("getState"))
        return False

    def _stop(self) -> None:
        if self._watcher:
            self._watcher.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._watcher.wait(STOP_WITHIN + 1)
            self._watcher.kill()
            with self._watcher:  # closes the pipe
                pass
        if self._socket.parent != self._folder:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _call(self, method: str, *arguments: object) -> object:
        if self._watcher is None or self._watcher.poll() is not None:
            msg = f"supervisord ended; see {self._logs}"
            raise SupervisionFailed(msg)
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with ServerProxy("http://127.0.0.1", transport=transport) as server:
            try:
                return getattr(server.supervisor, method)(*arguments)
            except Fault as fault:
                if "ALREADY_STARTED" in fault.faultString:
                    return None
                raise SupervisionFailed(fault.faultString) from None

    def _configuration(self) -> RawConfigParser:
        text = RawConfigParser()
        text["supervisord"] = {
            "nodaemon": "true",
            "logfile": str(self._logs / "supervisord.log"),
            "pidfile": str(self._folder / "supervisord.pid"),
            "childlogdir": str(self._logs),
            # Said aloud, or it warns of it.
            **({"user": "root"} if os.geteuid() == 0 else {}),
        }
        text["unix_http_server"] = {"file": str(self._socket), "chmod": "0700"}
        text["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        for priority, group in enumerate(self._groups, 1):
            names = ",".join(program.name for program in group.programs)
            text[f"group:{group.name}"] = {"programs": names, "priority": str(priority)}
            for program in group.programs:
                text[f"program:{program.name}"] = self._section(program)
        return text

    def _section(self, program: Program) -> Mapping[str, str]:
        values = {
            "command": shlex.join(tied_command(program)),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": str(SETTLED),
            "startretries": str(RETRIES),
            "stopsignal": program.stop.name.removeprefix("SIG"),
            "stopwaitsecs": str(int(program.stop_within)),
            "stdout_logfile": str(self.log(program.name)),
            "stdout_logfile_maxbytes": str(LOG_BYTES),
            "stdout_logfile_backups": "1",
            "redirect_stderr": "true",
            "directory": "/",
        }
        return {key: value.replace("%", "%%") for key, value in values.items()}


def hold(folder: Path) -> IO[str]:
    """Take the lock of a folder's tree, which is held as long as any of it is left: `tied` inherits it.

    Raises: SupervisionFailed when an earlier tree does not end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "tree.lock").open("a")

    def taken() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if not wait_until(taken, within=STILL_STOPPING):
        msg = f"programs of an earlier run on {folder} are still running after {STILL_STOPPING:g} s"
        raise SupervisionFailed(msg)
    return lock


def _socket_path(folder: Path) -> Path:
    usual = folder / "supervisor.sock"
    if len(str(usual)) <= _LONGEST_SOCKET_PATH:
        return usual
    return Path(tempfile.mkdtemp(prefix="redletter-")) / "supervisor.sock"
