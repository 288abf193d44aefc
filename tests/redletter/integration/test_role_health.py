"""Each role says of itself over HTTP whether it lives and works."""

import json
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import NamedTuple

from local import ports
from local.waiting import wait_until
from tests.redletter.support.program import PROGRAM
from transport.addresses import Addresses

GROUP = "redletter.worker"
ANSWERED_WITHIN = 30.0
"""Seconds, whatever is down."""


class Answer(NamedTuple):
    """What a role answered."""

    status: int
    body: str

    @property
    def reasons(self) -> list[str]:
        """Why it is not ready."""
        return json.loads(self.body)["reasons"]


class Health(NamedTuple):
    """A role's own server."""

    port: int

    def ask(self, path: str) -> Answer:
        """Ask it. Raises: OSError while it does not listen, TimeoutError."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWERED_WITHIN)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def is_scraped_in_time(self) -> bool:
        """Return whether a scrape took 50 ms at most: other work on the machine may make one late, but none early."""
        began = time.monotonic()
        assert self.ask("/metrics").status == 200
        return time.monotonic() - began <= 0.05

    def listens(self) -> bool:
        """Return whether it answers at all."""
        try:
            return self.ask("/livez").status == 200
        except OSError:
            return False


@contextmanager
def worker(kafka: str, database: str) -> Generator[Health]:
    """Run a worker for the length of a block, from the moment when it answers."""
    (port,) = ports.free(1)
    servers = {"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": kafka, "REDLETTER_DATABASE_URL": database}
    environment = {**os.environ, **servers, "REDLETTER_HEALTH_PORT": str(port)}
    role = subprocess.Popen([PROGRAM, "worker"], env=environment, stderr=subprocess.DEVNULL)
    try:
        health = Health(port)
        assert wait_until(health.listens, seconds=60)
        yield health
    finally:
        role.terminate()
        assert role.wait(60) == 0


async def test_a_role_is_ready_once_it_has_joined_its_group_and_tells_what_it_does(addresses: Addresses) -> None:
    with worker(addresses.kafka, addresses.database) as health:
        assert wait_until(lambda: health.ask("/readyz") == (200, '{"status":"ready","reasons":[]}'), seconds=60)
        assert wait_until(health.is_scraped_in_time, seconds=60)
        metrics = health.ask("/metrics").body
    assert f'redletter_assigned_partitions{{group="{GROUP}"}} 32.0' in metrics
    assert "process_resident_memory_bytes" in metrics
    for measured in ("event_loop_delay", "decision", "commit"):
        assert f"redletter_{measured}_seconds_bucket" in metrics


def test_a_role_whose_servers_are_away_lives_and_says_what_it_waits_for() -> None:
    (nobody,) = ports.free(1)
    with worker(f"127.0.0.1:{nobody}", f"postgresql://127.0.0.1:{nobody}/none") as health:
        asked = health.ask("/readyz")
        assert (asked.status, asked.reasons) == (503, ["DATABASE_AWAY", "KAFKA_AWAY", f"NOT_JOINED {GROUP}"])
        assert health.ask("/livez").status == health.ask("/metrics").status == 200
        assert wait_until(health.is_scraped_in_time, seconds=60)
