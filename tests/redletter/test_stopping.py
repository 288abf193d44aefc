"""Every role ends when it is asked to, whatever it waits for, and says so when it ends unasked."""

import os
import subprocess
import sys
from collections.abc import Sequence
from signal import SIGINT, SIGTERM, Signals

import pytest

from tests.redletter.support.running import ended, started, until

STARTING = """
import asyncio, sys, time
from pathlib import Path
from redletter import logs, roles, settings

async def stuck():
    time.sleep(60)

logs.configure("info")
roles.ROLE_STARTS["worker"] = lambda addresses, settings: {work}
sys.exit(roles.run("worker", None, settings.read()))
"""


STUCK_THREAD = "asyncio.to_thread(time.sleep, 60)"
STUCK_LOOP = "stuck()"
FAILING = "asyncio.wait_for(asyncio.sleep(60), 0.01)"
BROKEN = "asyncio.to_thread(dict().popitem)"
ENDING = "asyncio.sleep(0)"


def program(work: str) -> Sequence[str]:
    """Return the command of a role that does this work."""
    return [sys.executable, "-c", STARTING.format(work=work)]


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_a_thread_that_waits_for_ever_does_not_hold_a_role(number: Signals) -> None:
    role = started(program(STUCK_THREAD))
    until(role, "role_started")
    code, errors = ended(role, number)
    assert (code, "role_end_forced" in errors, "Traceback" in errors) == (0, True, False)


def test_a_role_whose_loop_stands_still_ends_too() -> None:
    role = started(program(STUCK_LOOP))
    until(role, "role_started")
    code, errors = ended(role, SIGTERM)
    assert (code, "role_end_forced" in errors) == (0, True)


@pytest.mark.parametrize("work", [FAILING, BROKEN, ENDING])
def test_a_role_that_ends_unasked_says_so_in_one_line_and_exits_with_1(work: str) -> None:
    done = subprocess.run(program(work), env=os.environ, capture_output=True, text=True, timeout=30, check=False)
    (line,) = (line for line in done.stderr.splitlines() if '"level": "error"' in line)
    assert (done.returncode, "role_failed" in line) == (1, True)
    assert done.stderr.splitlines()[-1] == line


def test_a_fault_of_the_environment_is_reported_without_a_stack() -> None:
    done = subprocess.run(program(FAILING), env=os.environ, capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    assert "TimeoutError" in done.stderr
