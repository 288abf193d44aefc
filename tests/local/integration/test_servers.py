"""The embedded servers: prepared once, found again, and never left behind."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from local.kafka_server import embedded_kafka
from local.postgres_server import embedded_postgres
from local.waiting import wait_until
from tests.local.support.processes import alive
from transport.clients import kafka as clients
from transport.kafka_security import KafkaSecurity


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


async def test_an_embedded_kafka_with_a_password_lets_nobody_else_in(tmp_path: Path) -> None:
    """Its clients, transactional ones too, and the broker that comes to itself come in by theirs."""
    me = KafkaSecurity("SASL_PLAINTEXT", "PLAIN", "me", "secret")
    with embedded_kafka(tmp_path, me) as kafka:
        others = (KafkaSecurity(), replace(me, password="guess"), replace(me, username="$broker"))  # noqa: S106 - of nobody
        try:
            for security in (*others, me):
                clients.secure(kafka.bootstrap, security)
                if security is me:
                    await _publish_in_a_transaction(kafka.bootstrap)
                else:
                    with pytest.raises(KafkaError):
                        await _publish_in_a_transaction(kafka.bootstrap)
        finally:
            clients.secure(kafka.bootstrap, KafkaSecurity())


async def _publish_in_a_transaction(bootstrap: str) -> None:
    async with clients.admin(bootstrap, "tests") as admin:
        await admin.create_topics([NewTopic("t", 1, 1)])
    producer = clients.make_transactional_producer(bootstrap, "x", timeout_seconds=60, max_batch_bytes=1 << 20)
    async with clients.running(producer), producer.transaction():
        await producer.send_and_wait("t", b"{}")


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
