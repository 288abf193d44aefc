"""A thread of one's own for blocking work: it waits for nobody else's work, and never keeps the process from ending."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar, TypeVarTuple

Done = TypeVar("Done")
Args = TypeVarTuple("Args")


class OwnThread:
    """Does one piece of blocking work after the other in a thread that nobody else uses.

    The event loop's own threads are few and shared: as many pieces of work that wait for a lock make all others wait.
    They are also waited for when the process ends, even one that is stuck in a call to a server that is frozen.
    """

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[*Args], Done], *args: *Args) -> Done:
        """Return or raise what the work does. Cancelled, it leaves the work that has begun to itself."""
        future: Future[Done] = Future()
        context = copy_context()

        def settle() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(context.run(work, *args))
            except BaseException as error:  # noqa: BLE001 - it is raised where the work is awaited
                future.set_exception(error)

        self._work.put(settle)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the thread end after the work that it was given; nobody waits for it."""
        self._work.put(None)

    def _run(self) -> None:
        while work := self._work.get():
            work()
