"""CPU time is that of a process and of all its children."""

import os
import subprocess
import sys

from benchmarks.cpu import cpu_seconds

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_a_child_that_has_ended_is_counted() -> None:
    before = cpu_seconds({"tests": os.getpid()})
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert cpu_seconds({"tests": os.getpid()})["tests"] - before["tests"] > 0.28


def test_a_grandchild_that_runs_is_counted() -> None:
    burn_and_wait = f"{BURN}print(flush=True)\ninput()"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn_and_wait!r}])"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin
        assert running.stdout
        running.stdout.readline()
        assert cpu_seconds({"program": running.pid})["program"] > 0.28
        running.stdin.close()
