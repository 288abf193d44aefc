"""The embedded servers: prepared once, found again, and never left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from local import ports
from local.kafka_jars import Pin, WrongChecksum, jars
from local.kafka_server import embedded_kafka
from local.postgres_server import embedded_postgres
from local.waiting import wait_until


def test_ports_are_kept_as_long_as_nobody_takes_them(tmp_path: Path) -> None:
    """Clients find a server again after its restart."""
    first = ports.kept(tmp_path / "ports", 2)
    assert ports.kept(tmp_path / "ports", 2) == first


def test_other_ports_are_chosen_where_one_is_taken(tmp_path: Path) -> None:
    """A server on the old one would not start."""
    import socket

    first = ports.kept(tmp_path / "ports", 2)
    with socket.create_server((ports.HOST, first[0])):
        assert first[0] not in ports.kept(tmp_path / "ports", 2)


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it never gets a place in the cache."""
    wrong = Pin("org.slf4j:slf4j-simple:1.7.36", "0" * 64)
    monkeypatch.setattr("local.kafka_jars.pins", lambda: [wrong])
    with pytest.raises(WrongChecksum, match="slf4j-simple"):
        jars(print, tmp_path)
    assert not list(tmp_path.glob("*.jar"))


@pytest.mark.integration
def test_postgres_keeps_what_was_committed_when_it_is_killed(tmp_path: Path) -> None:
    """On the same port, with the same password."""
    with embedded_postgres(tmp_path) as postgres:
        with psycopg.connect(postgres.url) as connection:
            connection.execute("create table kept (word text)")
        url = postgres.url
        postgres.kill()
        postgres.start()
        assert postgres.url == url
        with psycopg.connect(url) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (0,)


@pytest.mark.integration
def test_kafka_comes_back_on_the_same_port_when_it_is_killed(tmp_path: Path) -> None:
    """Its clients go on by themselves."""
    with embedded_kafka(tmp_path) as kafka:
        bootstrap = kafka.bootstrap
        kafka.kill()
        kafka.start()
        assert kafka.bootstrap == bootstrap


_DIES = """
import os, signal, sys
from pathlib import Path
from local.postgres_server import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as postgres:
    print(postgres.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.integration
def test_a_server_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    """Not even when that one is killed with SIGKILL."""
    dead = subprocess.run(
        [sys.executable, "-c", _DIES, str(tmp_path)], stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    assert wait_until(lambda: not alive([int(dead.stdout)]), seconds=10)


def alive(pids: Sequence[int]) -> list[int]:
    """Return which of the processes are still there."""
    return [pid for pid in pids if _is_there(pid)]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
