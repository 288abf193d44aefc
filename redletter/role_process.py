"""Run a role's work until the process is told to stop, and end within a time limit whatever is down or frozen."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from signal import SIGINT, SIGTERM

import structlog

from transport.unfit import Unfit

log = structlog.get_logger(__name__)

_CLEAN_END_SECONDS = 4.0
"""Then the process ends anyway; `up` kills a role after 5 s."""
_LAST_LINE_SECONDS = 0.5
"""Time limit for the last log line: whoever reads the log may be frozen too."""
_STOP_SIGNALS = (SIGTERM, SIGINT)

RoleWork = Coroutine[None, None, None]


def run_until_stopped(prepare: Callable[[], RoleWork]) -> int:
    """Prepare the work, do it until SIGTERM or SIGINT, and return the exit code: 0 if it was told to stop, else 1.

    A thread receives the signals, so that they arrive even while the event loop is blocked. What does not end in time,
    such as a thread that waits for a frozen server, is abandoned: only what is committed counts.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    stopping, cancelled = threading.Event(), asyncio.Event()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()

        def listen() -> None:
            signal.sigwait(_STOP_SIGNALS)
            stopping.set()
            _force_end(0)
            with suppress(RuntimeError):  # the loop has already ended
                loop.call_soon_threadsafe(cancelled.set)

        threading.Thread(target=listen, daemon=True).start()
        task = runner.run(_until(cancelled, prepare()))
        return _exit_code(task, stopping)


async def _until(cancelled: asyncio.Event, work: RoleWork) -> asyncio.Future[None]:
    """Do the work, cancel it on demand, and return it when it is done."""
    log.info("role_started")
    task, waiting = asyncio.ensure_future(work), asyncio.create_task(cancelled.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    waiting.cancel()
    return task


def _exit_code(task: asyncio.Future[None], stopping: threading.Event) -> int:
    """Log how the work ended, and return the exit code."""
    error = None if task.cancelled() else task.exception()
    if stopping.is_set():
        if error:
            log.warning("role_stopped_uncleanly", exc_info=error)
        else:
            log.info("role_stopped")
        return 0
    _force_end(1)
    if isinstance(error, Unfit):
        log.error("role_failed", reason=str(error))
    else:
        log.error("role_failed", reason="it ended without being told to", exc_info=error)
    return 1


def _force_end(code: int) -> None:
    """End the process with this exit code unless it has ended by then."""
    timer = threading.Timer(_CLEAN_END_SECONDS, _end_now, (code,))
    timer.daemon = True
    timer.start()


def _end_now(code: int) -> None:
    write = partial(log.warning, "role_end_forced", seconds=_CLEAN_END_SECONDS)
    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    writing.join(_LAST_LINE_SECONDS)
    os._exit(code)
