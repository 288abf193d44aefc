"""A tiny run of every program, so that the benchmarks keep working."""

import json
import os
import subprocess
import sys

from benchmarks.summary import PROGRAMS
from benchmarks.whole import OUT
from transport.addresses import Addresses


def test_every_program_does_all_commands_and_its_cpu_is_counted(servers: Addresses) -> None:
    named = {"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": servers.kafka, "REDLETTER_DATABASE_URL": servers.database}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.whole",
            "--programs",
            ",".join(PROGRAMS),
            "--commands",
            "300",
            "--runs",
            "1",
        ],
        env=os.environ | named,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(OUT.read_text())
    assert figures["visible"][0] > 0
    assert {name for name, (us,) in figures["cpu_us"].items() if us > 0} == {"worker", "relay", "projector", "clock"}
