"""A process tree that supervisord keeps running, and that ends with this process, however that ends.

This process -> `end_with_parent` (watches the pipe from this process) -> supervisord -> the programs, each tied to
supervisord.
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

from local.log_files import last_lines
from local.programs import Program, tied_command, watched_command
from local.waiting import wait_until

_STOP_SECONDS = 9.0
"""Until supervisord itself is killed, and all programs with it; everything must stop within 10 s."""
_START_SECONDS = 15.0
_EARLIER_TREE_SECONDS = 15.0
"""How long to wait for the end of the tree of an `up` that was killed."""
_SETTLED_SECONDS = 2
"""How long a program must run before its death counts as a new one; until then each restart waits 1 s longer."""
_MAX_RETRIES = 4
"""supervisord then gives the program up, and `revive` starts it again."""
_MAX_LOG_BYTES = 10 << 20
_WITHOUT_WAITING = False
_MAX_SOCKET_PATH_CHARACTERS = 100
"""The kernel takes 107, and supervisord binds a slightly longer name first."""


class SupervisionFailed(Exception):
    """The tree cannot be started, or its supervisor ended."""


@dataclass(frozen=True, slots=True)
class ProgramGroup:
    """Programs that start and stop together. Groups are stopped one after another, the last one first."""

    name: str
    programs: Sequence[Program]


@dataclass(frozen=True, slots=True)
class ProgramState:
    """A program's state in supervisord's words, its process id (0 if it does not run), and why it ended."""

    name: str
    word: str
    pid: int
    why: str


class ProcessTree:
    """The supervised programs of a folder. Nothing runs until it is started."""

    def __init__(
        self, folder: Path, groups: Sequence[ProgramGroup], environment: Mapping[str, str], lock: IO[str]
    ) -> None:
        """environment: of supervisord and so of every program. lock: the folder's, from `lock_tree`."""
        self._lock = lock
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

    def states(self) -> Sequence[ProgramState]:
        """Return the state of every program. Raises: SupervisionFailed when supervisord is gone."""
        found = cast("Sequence[Mapping[str, Any]]", self._call("getAllProcessInfo"))
        return [ProgramState(each["name"], each["statename"], each["pid"], each["spawnerr"]) for each in found]

    def revive(self) -> None:
        """Restart the programs that supervisord has given up, so that none stays down."""
        for group in self._groups:
            for program in group.programs:
                name = f"{group.name}:{program.name}"
                info = cast("Mapping[str, Any]", self._call("getProcessInfo", name))
                if info["state"] == ProcessStates.FATAL:
                    self._call("startProcess", name, _WITHOUT_WAITING)

    def log(self, program: str) -> Path:
        """Return the file with a program's standard output and standard error."""
        return self._logs / f"{program}.log"

    def _programs(self, group: str) -> Sequence[Program]:
        return next(each.programs for each in self._groups if each.name == group)

    def _start(self) -> None:
        self._logs.mkdir(exist_ok=True)
        configuration = self._folder / "supervisord.conf"
        with configuration.open("w") as file:
            self._configuration().write(file)
        command = (sys.executable, "-m", "supervisor.supervisord", "--configuration", str(configuration))
        supervisord = Program("supervisord", command, stop=SIGTERM, stop_seconds=_STOP_SECONDS)
        with (self._logs / "supervisord.err").open("ab") as errors:
            self._watcher = subprocess.Popen(  # noqa: S603 - our own command
                watched_command(supervisord, on_death=SIGTERM),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self._folder,
                env=dict(self._environment),
                pass_fds=(self._lock.fileno(),),
                start_new_session=True,  # Ctrl-C is for this process; it stops the others itself
            )
        if not wait_until(self._answers, seconds=_START_SECONDS):
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
                self._watcher.wait(_STOP_SECONDS + 1)
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
            # Without it, supervisord warns.
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
            "startsecs": str(_SETTLED_SECONDS),
            "startretries": str(_MAX_RETRIES),
            "stopsignal": program.stop.name.removeprefix("SIG"),
            "stopwaitsecs": str(int(program.stop_seconds)),
            "stdout_logfile": str(self.log(program.name)),
            "stdout_logfile_maxbytes": str(_MAX_LOG_BYTES),
            "stdout_logfile_backups": "1",
            "redirect_stderr": "true",
            "directory": "/",
            "environment": ",".join(f'{name}="{value}"' for name, value in program.environment.items()),
        }
        return {key: value.replace("%", "%%") for key, value in values.items()}


def lock_tree(folder: Path) -> IO[str]:
    """Lock a folder's process tree. The lock lasts as long as any process of the tree, which all inherit it.

    Raises: SupervisionFailed when an earlier tree does not end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "tree.lock").open("a")

    def locked() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if not wait_until(locked, seconds=_EARLIER_TREE_SECONDS):
        msg = f"programs of an earlier run on {folder} are still running after {_EARLIER_TREE_SECONDS:g} s"
        raise SupervisionFailed(msg)
    return lock


def _socket_path(folder: Path) -> Path:
    usual = folder / "supervisor.sock"
    if len(str(usual)) <= _MAX_SOCKET_PATH_CHARACTERS:
        return usual
    return Path(tempfile.mkdtemp(prefix="redletter-")) / "supervisor.sock"
