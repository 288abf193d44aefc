"""What measures time runs alone, and does not wait for ever until it may."""

import fcntl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import alone
from tests.support.alone import admitted


@pytest.fixture(autouse=True)
def locks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that the test itself does not hold."""
    monkeypatch.setattr(alone, "LOCKS", tmp_path_factory.mktemp("locks"))


def test_tests_run_beside_each_other() -> None:
    with admitted(alone=False), admitted(alone=False):
        pass


def test_whoever_is_alone_waits_for_those_who_run_and_is_let_in_before_those_who_come_later() -> None:
    order: list[str] = []

    def run(name: str, *, alone: bool) -> None:
        with admitted(alone=alone):
            order.append(name)

    with ThreadPoolExecutor() as threads:
        with admitted(alone=False):
            measured = threads.submit(run, "measured", alone=True)
            wait_for_a_queue()
            later = threads.submit(run, "later", alone=False)
            order.append("first")
        measured.result(10)
        later.result(10)
    assert order == ["first", "measured", "later"]


def wait_for_a_queue() -> None:
    """Wait until somebody holds the queue's lock and waits for those who run."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with (alone.LOCKS / "queue").open("w") as queue:
            try:
                fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
    pytest.fail("nobody queues")
