"""The embedded servers: prepared once, found again, and never left behind."""

import signal
import subprocess
import sys
from pathlib import Path

import psycopg

from local.kafka_server import embedded_kafka
from local.postgres_server import embedded_postgres
from local.waiting import wait_until
from tests.local.support.processes import alive


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


def test_kafka_comes_back_on_the_same_port_when_it_is_killed(tmp_path: Path) -> None:
    """Its clients recover by themselves."""
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


def test_a_server_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    """Not even when that one is killed with SIGKILL."""
    dead = subprocess.run(
        [sys.executable, "-c", _DIES, str(tmp_path)], stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    assert wait_until(lambda: not alive([int(dead.stdout)]), seconds=60)
