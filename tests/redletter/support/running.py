"""A role as a program: started, watched by what it logs, and asked to end."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from signal import Signals

WITHIN = 60.0
"""Seconds from the signal to the end."""


def started(command: Sequence[str | Path], **environment: str) -> subprocess.Popen[str]:
    """Start a role."""
    return subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)


def ended(role: subprocess.Popen[str], number: Signals) -> tuple[int, str]:
    """Ask a role to end, and return its exit code and the rest of what it wrote. Raises: TimeoutExpired."""
    role.send_signal(number)
    try:
        _, errors = role.communicate(timeout=WITHIN)
    finally:
        role.kill()
    return role.returncode, errors


def until(role: subprocess.Popen[str], event: str) -> None:
    """Read what a role writes until an event appears."""
    assert role.stderr
    assert any(event in line for line in role.stderr), f"it ended without {event}"
