"""What each role does with a database that it must not work with."""

import os
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from signal import SIGTERM
from threading import Timer

import pytest

from tests.redletter.support.program import PROGRAM
from tests.transport.support.proxies import SSL_REQUEST, old_server, server_without_tls

ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")
END_WITHIN = 60.0
START_WITHIN = 60.0


def started(role: str, port: int, query: str = "") -> subprocess.Popen[str]:
    """Start a role whose Kafka is away."""
    return subprocess.Popen(
        [PROGRAM, role],
        env={
            **os.environ,
            "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "REDLETTER_DATABASE_URL": f"postgresql://me:secret@127.0.0.1:{port}/books{query}",
            "REDLETTER_API_PORT": "0",
        },
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def all_started(port: int, query: str = "") -> Generator[dict[str, subprocess.Popen[str]]]:
    """Start every role at once, for the length of a block; one that waits for too long is killed."""
    with ExitStack() as stack:
        processes = {role: stack.enter_context(started(role, port, query)) for role in ROLES}
        for process in processes.values():
            stack.callback(process.kill)
            limit = Timer(START_WITHIN, process.kill)
            limit.start()
            stack.callback(limit.cancel)
        yield processes


def test_with_tls_required_every_role_sends_a_server_without_tls_nothing_and_waits() -> None:
    heard: list[bytes] = []
    with server_without_tls(heard) as port, all_started(port, "?sslmode=require") as processes:
        for role, process in processes.items():
            assert process.stderr
            assert any("server does not support SSL" in line for line in process.stderr), role
            process.send_signal(SIGTERM)
            assert process.wait(END_WITHIN) == 0, role
    assert set(heard) == {SSL_REQUEST}


def test_every_role_ends_with_one_sentence_when_the_database_is_too_old() -> None:
    with old_server("16.2") as port, all_started(port) as processes:
        for role, process in processes.items():
            _, output = process.communicate(timeout=START_WITHIN)
            assert process.returncode == 1, role
            assert "PostgreSQL 16 is too old: Redletter needs version 17 or newer" in output, role
            assert "Traceback" not in output, role


@pytest.mark.parametrize("query", ["?sslmode=require", ""])
def test_migrate_refuses_as_the_roles_do_before_it_touches_anything(query: str) -> None:
    sentence = "server does not support SSL" if query else "PostgreSQL 16 is too old"
    server = server_without_tls([]) if query else old_server("16.2")
    with server as port, started("migrate", port, query) as process:
        _, output = process.communicate(timeout=START_WITHIN)
    assert process.returncode == 1
    assert sentence in output
    assert "Traceback" not in output
