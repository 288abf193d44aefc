"""A thread of one's own: work waits for nobody else's, and what is stuck in it keeps no process from ending."""

import asyncio
import subprocess
import sys
from contextvars import ContextVar
from threading import Event, current_thread

import pytest

from transport.threads import OwnThread

STUCK = """
import asyncio, threading
from transport.threads import OwnThread

async def main():
    stuck = asyncio.ensure_future(OwnThread("stuck").run(threading.Event().wait))
    await asyncio.sleep(0.1)
    stuck.cancel()

asyncio.run(main())
"""
ASKED = ContextVar("asked", default="nobody")


async def test_work_returns_what_it_found_and_raises_what_went_wrong() -> None:
    thread = OwnThread("mine")
    assert await thread.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await thread.run(divmod, 7, 0)
    assert (await thread.run(current_thread)).name == "mine"
    thread.close()


async def test_work_sees_what_was_bound_where_it_was_asked_for() -> None:
    thread = OwnThread("mine")
    ASKED.set("the projector")
    assert await thread.run(ASKED.get) == "the projector"
    thread.close()


async def test_work_that_waits_holds_up_nobody_elses() -> None:
    waiting, working = OwnThread("waiting"), OwnThread("working")
    let_go = Event()
    waits = asyncio.ensure_future(waiting.run(let_go.wait))
    assert await working.run(divmod, 7, 2) == (3, 1)
    let_go.set()
    assert await waits
    for thread in (waiting, working):
        thread.close()


def test_a_process_ends_although_a_thread_is_stuck() -> None:
    assert subprocess.run([sys.executable, "-c", STUCK], timeout=60, check=False).returncode == 0
