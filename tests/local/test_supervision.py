"""Supervision, on stand-ins for the roles: nothing stays down, nothing is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from local import data_folder
from local.log_files import LogFollower
from local.programs import Program
from local.supervision import ProcessTree, ProgramGroup, lock_tree
from local.waiting import wait_until
from tests.local.support.processes import alive

SLEEPS = "import signal\nprint('at work', flush=True)\nsignal.pause()"
FAILS = "raise SystemExit('cannot continue')"


def program(name: str, code: str = SLEEPS) -> Program:
    """Stand in for a role."""
    return Program(name, (sys.executable, "-c", code, name))


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[ProcessTree]:
    """Two programs that run, and one that always fails."""
    groups = [
        ProgramGroup("servers", [program("store")]),
        ProgramGroup("roles", [program("worker"), program("broken", FAILS)]),
    ]
    with lock_tree(tmp_path) as held, ProcessTree(tmp_path, groups, os.environ, held).running() as started:
        started.start("servers")
        started.start("roles")
        assert wait_until(lambda: pid(started, "store") > 0 and pid(started, "worker") > 0, seconds=60)
        yield started


def pid(tree: ProcessTree, name: str) -> int:
    """Return the process id of a program; 0 while it does not run."""
    return next(state.pid for state in tree.states() if state.name == name)


def test_a_program_that_dies_is_started_again_every_time(tree: ProcessTree) -> None:
    """However often it dies, and however soon."""

    def back(killed: int) -> bool:
        tree.revive()
        return pid(tree, "worker") not in (0, killed)

    for _ in range(6):
        killed = pid(tree, "worker")
        psutil.Process(killed).kill()
        assert wait_until(lambda killed=killed: back(killed), seconds=60)


def test_a_program_that_always_fails_leaves_its_reason_in_its_log(tree: ProcessTree, tmp_path: Path) -> None:
    """So that the reason can be shown."""
    assert wait_until(lambda: "cannot continue" in (tmp_path / "logs" / "broken.log").read_text(), seconds=60)
    assert pid(tree, "worker")


def test_a_program_that_supervisord_gave_up_is_started_again(tree: ProcessTree) -> None:
    """No wait grows without bound."""
    deaths = tree.log("broken")
    assert wait_until(lambda: any(state.word == "FATAL" for state in tree.states()), seconds=60)
    before = deaths.read_text().count("cannot continue")
    tree.revive()
    assert wait_until(lambda: deaths.read_text().count("cannot continue") > before, seconds=60)


def test_logs_are_shown_line_by_line_under_the_program_s_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was there before is not shown again."""
    log = tmp_path / "worker.log"
    log.write_text("of yesterday\n")
    with LogFollower({"worker": log}), log.open("a") as file:
        file.write("one\ntwo\n")
    assert capsys.readouterr().err == "worker | one\nworker | two\n"


LINE = '{"timestamp": "now", "level": "info", "event": "batch_decided", "role": "worker", "records": 3, "cause": "a b"}'


def test_lines_of_json_are_copied_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "worker.log"
    with LogFollower({"worker": log}), log.open("a") as file:
        file.write(f"{LINE}\nnull\n")
    assert capsys.readouterr().err == f"{LINE}\nworker | null\n"


def test_on_a_terminal_lines_of_json_are_written_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "worker.log"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with LogFollower({"worker": log}), log.open("a") as file:
        file.write(f"{LINE}\n")
    assert capsys.readouterr().err == 'worker | timestamp=now level=info event=batch_decided records=3 cause="a b"\n'


def test_a_log_that_is_put_aside_is_read_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the new one from its beginning."""
    log = tmp_path / "worker.log"
    log.write_text("")
    with LogFollower({"worker": log}):
        log.write_text("old\n")
        log.rename(tmp_path / "worker.log.1")
        log.write_text("new\n")
    assert capsys.readouterr().err == "worker | old\nworker | new\n"


def test_a_log_cannot_steer_the_terminal_it_is_shown_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a program wrote into it."""
    log = tmp_path / "worker.log"
    with LogFollower({"worker": log}), log.open("ab") as file:
        file.write("\x1b]0;owned\x07\u202e\x9b\r\n".encode())
    assert capsys.readouterr().err == "worker | \\x1b]0;owned\\x07\\u202e\\x9b\\r\n"


def test_a_folder_serves_one_at_a_time(tmp_path: Path) -> None:
    """The second is refused; when the first has ended it may have it."""
    with (
        data_folder.lock_folder(tmp_path),
        pytest.raises(data_folder.AlreadyRunning, match="another `redletter up` runs"),
    ):
        data_folder.lock_folder(tmp_path)
    data_folder.lock_folder(tmp_path).close()


def test_addresses_are_only_found_while_somebody_runs(tmp_path: Path) -> None:
    """What a killed one wrote down is not believed."""
    written = data_folder.SystemAddresses("kafka:1", "postgresql://x", "http://127.0.0.1:1")
    with data_folder.lock_folder(tmp_path):
        data_folder.write_addresses(tmp_path, written)
        assert data_folder.find_running(tmp_path) == written
    with pytest.raises(data_folder.NotRunning, match="start one"):
        data_folder.find_running(tmp_path)


_HOLDS = """
import os, sys
from pathlib import Path
from local.supervision import ProcessTree, lock_tree
from tests.local.test_supervision import ProgramGroup, program, pid
folder, groups = Path(sys.argv[1]), [ProgramGroup("roles", [program("worker"), program("clock")])]
with lock_tree(folder) as held, ProcessTree(folder, groups, os.environ, held).running() as tree:
    tree.start("roles")
    while not (pid(tree, "worker") and pid(tree, "clock")):
        pass
    print(pid(tree, "worker"), pid(tree, "clock"), (Path(sys.argv[1]) / "supervisord.pid").read_text(), flush=True)
    sys.stdin.read()
"""


def test_nothing_outlives_the_process_that_holds_the_tree(tmp_path: Path) -> None:
    """Killed with SIGKILL, it takes supervisord and all programs with it; the next one starts at once."""
    with _holder(tmp_path) as holder:
        pids = _pids(holder)
        assert alive(pids) == list(pids)
        holder.kill()
        assert wait_until(lambda: not alive(pids), seconds=60)
    groups = [ProgramGroup("roles", [program("worker")])]
    with lock_tree(tmp_path) as held, ProcessTree(tmp_path, groups, os.environ, held).running() as tree:
        assert tree.states()


def test_no_program_outlives_supervisord(tmp_path: Path) -> None:
    """Each is tied to it by the kernel."""
    if sys.platform != "linux":
        pytest.skip("only Linux signals a process when its parent dies")
    with _holder(tmp_path) as holder:
        worker, clock, supervisord = _pids(holder)
        os.kill(supervisord, signal.SIGKILL)
        assert wait_until(lambda: not alive([worker, clock]), seconds=60)
        holder.kill()


def _holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _pids(holder: subprocess.Popen[str]) -> Sequence[int]:
    assert holder.stdout
    return [int(word) for word in holder.stdout.readline().split()]
