"""Run the work of a role until somebody asks it to end, and end within a bound whatever is down or frozen."""

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

END_WITHIN = 4.0
"""Seconds for a clean end. Whoever asks, such as `up`, kills a role after 5 s."""
_TELL_WITHIN = 0.5
"""Seconds for the last line: whoever reads the log may be frozen as well."""
_ASKED = (SIGTERM, SIGINT)

Work = Coroutine[None, None, None]


def run(prepare: Callable[[], Work]) -> int:
    """Prepare the work, do it until SIGTERM or SIGINT, and return the exit code: 0 when it was asked to end, else 1.

    A thread takes the signals, so that they are heard while the event loop stands still. What does not end in time,
    such as a thread that waits for a frozen server, is left behind: nothing counts that is not committed.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED)
    asked, cancelled = threading.Event(), asyncio.Event()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()

        def listen() -> None:
            signal.sigwait(_ASKED)
            asked.set()
            _force_end(0)
            with suppress(RuntimeError):  # the loop has ended by itself meanwhile
                loop.call_soon_threadsafe(cancelled.set)

        threading.Thread(target=listen, daemon=True).start()
        task = runner.run(_until(cancelled, prepare()))
        return _ended(task, asked)


async def _until(cancelled: asyncio.Event, work: Work) -> asyncio.Future[None]:
    """Do the work, or cancel it when that is wanted, and return it when it is done."""
    log.info("role_started")
    task, waiting = asyncio.ensure_future(work), asyncio.create_task(cancelled.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    waiting.cancel()
    return task


def _ended(task: asyncio.Future[None], asked: threading.Event) -> int:
    """Say how the work ended, and return the exit code."""
    error = None if task.cancelled() else task.exception()
    if asked.is_set():
        if error:
            log.warning("role_stopped_uncleanly", exc_info=error)
        else:
            log.info("role_stopped")
        return 0
    _force_end(1)
    if isinstance(error, Unfit):
        log.error("role_failed", reason=str(error))
    else:
        log.error("role_failed", reason="it ended without being asked to", exc_info=error)
    return 1


def _force_end(code: int) -> None:
    """End the process with this exit code unless it has ended by then."""
    timer = threading.Timer(END_WITHIN, _end_now, (code,))
    timer.daemon = True
    timer.start()


def _end_now(code: int) -> None:
    told = partial(log.warning, "role_end_forced", seconds=END_WITHIN)
    telling = threading.Thread(target=told, daemon=True)
    telling.start()
    telling.join(_TELL_WITHIN)
    os._exit(code)
