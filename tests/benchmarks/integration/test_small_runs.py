"""A small run of every benchmark, so that each keeps working."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.summary import PROGRAMS
from transport.addresses import Addresses


def output_of(module: str, servers: Addresses, *arguments: str) -> str:
    """Run a benchmark and return what it prints."""
    named = {"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": servers.kafka, "REDLETTER_DATABASE_URL": servers.database}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        env=os.environ | named,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_program_does_all_commands_and_its_cpu_is_counted(servers: Addresses, tmp_path: Path) -> None:
    figures = tmp_path / "out" / "whole.json"
    shown = output_of(
        "throughput", servers, "--programs", ",".join(PROGRAMS), *f"--commands 300 --runs 1 --output {figures}".split()
    )
    assert all(f"\n{name} " in shown for name in PROGRAMS.values())
    whole = json.loads(figures.read_text())
    assert whole["visible"][0] > 0
    assert {name for name, (us,) in whole["cpu_us"].items() if us > 0} == {"worker", "relay", "projector", "clock"}


@pytest.mark.parametrize(
    ("module", "arguments", "shown"),
    [
        ("visibility", "--rates 50 --seconds 2 --runs 1", "accepted to visible"),
        ("rebuilds", "--events 1200 --runs 1 --output {folder}/rebuilds.json", "times the library's runner"),
        ("queries", "--invoices 200 --runs 1 --times 5", "operations "),
        ("searches", "--invoices 6000 --times 2 --only due_latest", "within 50 ms"),
        ("profiling", "--commands 300 --output {folder}/profile", "worker: "),
        ("at_scale", "--sizes 600,1200 --commands 300 --ids 600 --hot-events 1000 --workers 2", "workers and relays"),
    ],
)
def test_a_benchmark_ends_with_its_figures(
    servers: Addresses, tmp_path: Path, module: str, arguments: str, shown: str
) -> None:
    assert shown in output_of(module, servers, *arguments.format(folder=tmp_path).split())
