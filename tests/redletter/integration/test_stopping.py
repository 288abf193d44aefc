"""Every role ends when it is asked to, whatever it waits for, and says so when it ends unasked."""

import socket
import time
from collections.abc import Generator
from signal import SIGTERM

import pytest

from local import ports
from tests.redletter.support.program import PROGRAM
from tests.redletter.support.running import ended, started, until

ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")


@pytest.fixture
def silent() -> Generator[int]:
    """Give the port of a server that takes connections and never says a word, as a frozen one does."""
    with socket.create_server((ports.HOST, 0), backlog=1000) as server:
        yield server.getsockname()[1]


@pytest.fixture
def absent() -> int:
    """Give a port on which nobody listens."""
    return ports.free(1)[0]


@pytest.mark.parametrize("server", ["silent", "absent"])
def test_without_servers_every_role_ends_when_it_is_asked_to(server: str, request: pytest.FixtureRequest) -> None:
    port = request.getfixturevalue(server)
    surroundings = {
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{port}",
        "REDLETTER_DATABASE_URL": f"postgresql://redletter:x@{ports.HOST}:{port}/redletter",
        "REDLETTER_API_PORT": "0",
    }
    running = {role: started([PROGRAM, role], **surroundings) for role in ROLES}
    for role in running.values():
        until(role, "role_started")
    time.sleep(1)  # nothing shows that they wait, and for what
    for name, role in running.items():
        code, errors = ended(role, SIGTERM)
        assert (name, code, "Traceback" in errors) == (name, 0, False)
