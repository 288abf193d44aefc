"""Processes that share a run's tests: what is marked `alone` measures time, and no other test runs beside it."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

LOCKS = Path(__file__).parents[2] / ".cache" / "tests"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test, its setup and its teardown beside others or alone."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with admitted(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def admitted(*, alone: bool) -> Generator[None]:
    """Hold a place among the running tests for the length of a block; alone: nobody else holds one."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / "queue").open("w") as queue, (LOCKS / "running").open("w") as running:
        # Whoever waits to be alone keeps its place in the queue, or the others would never all have ended.
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield
