"""Start each role with what it needs, and stop it cleanly when it is asked to.

Modules are imported when their role starts: a role loads nothing of the others.
"""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path

import structlog

from redletter import stopping
from redletter.settings import Settings
from transport.addresses import Addresses
from transport.clients import postgres

log = structlog.get_logger(__name__)

ALIVE_EVERY = 5.0
"""Seconds between two signs of life."""

Work = Coroutine[None, None, None]
Start = Callable[[Addresses, Settings], Work]


def worker(addresses: Addresses, settings: Settings) -> Work:
    """Decide commands."""
    from service.invoice.moment import Policy
    from service.worker import role

    policy = Policy(
        general_recorded_route=settings.general_recorded_route,
        repeat=timedelta(seconds=settings.tax_repeat_seconds),
        repeat_max=timedelta(seconds=settings.tax_repeat_max_seconds),
    )
    return role.run(addresses, clock_shift=settings.clock_shift, calendar=settings.calendar(), policy=policy)


def relay(addresses: Addresses, settings: Settings) -> Work:
    """Publish the log."""
    del settings
    from service import relay as role

    return role.run(addresses)


def projector(addresses: Addresses, settings: Settings) -> Work:
    """Fold events into the read models."""
    del settings
    from projections import projector as role

    return role.run(addresses)


def clock(addresses: Addresses, settings: Settings) -> Work:
    """Send tax requests and repeat those unanswered."""
    from service import clock as role

    return role.run(
        addresses,
        clock_shift=settings.clock_shift,
        calendar=settings.calendar(),
        repeat=timedelta(seconds=settings.tax_repeat_seconds),
        repeat_max=timedelta(seconds=settings.tax_repeat_max_seconds),
    )


def api(addresses: Addresses, settings: Settings) -> Work:
    """Answer queries, and show pages."""
    from web import app as role

    return role.run(
        addresses,
        host=settings.api_host,
        port=settings.api_port,
        clock_shift=settings.clock_shift,
        general_recorded_route=settings.general_recorded_route,
        calendar=settings.calendar(),
    )


def tax_simulator(addresses: Addresses, settings: Settings) -> Work:
    """Play the tax platform and its connector."""
    from tax_simulator import role

    return role.run(addresses, clock_shift=settings.clock_shift)


def _on_a_suitable_database(role: str, start: Start) -> Start:
    def started(addresses: Addresses, settings: Settings) -> Work:
        return _until_found_unsuitable(start(addresses, settings), addresses.database, role)

    return started


ROLES: dict[str, Start] = {
    role: _on_a_suitable_database(role, start)
    for role, start in {
        "worker": worker,
        "relay": relay,
        "projector": projector,
        "clock": clock,
        "api": api,
        "tax-simulator": tax_simulator,
    }.items()
}


def run(role: str, addresses: Addresses, settings: Settings) -> int:
    """Run a role until SIGTERM or SIGINT, and return the exit code: 1 when it ended without being asked to."""
    structlog.contextvars.bind_contextvars(role=role)

    def prepare() -> Work:
        work = ROLES[role](addresses, settings)
        _spare_the_collector()
        return _with_signs_of_life(work, settings.alive_file) if settings.alive_file else work

    return stopping.run(prepare)


async def _until_found_unsuitable(work: Work, url: str, role: str) -> None:
    """Do the work unless the database is unsuitable; one that is away is waited for. Raises: UnsuitableDatabase."""
    working = asyncio.ensure_future(work)
    looking = asyncio.create_task(postgres.refuse_unsuitable(url, role))
    try:
        await asyncio.wait({working, looking}, return_when=asyncio.FIRST_COMPLETED)
        if looking.done():
            looking.result()
        await working
    finally:
        looking.cancel()
        working.cancel()
        await asyncio.wait({working})


def _spare_the_collector() -> None:
    """Let the garbage collector run rarely, and leave alone what the imports made.

    A batch makes tens of thousands of objects that live to its end and hold no cycles; looking for some every 700
    objects took a fifth of the worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


async def _with_signs_of_life(work: Work, file: Path) -> None:
    await asyncio.to_thread(file.touch)  # one that cannot be touched at all stops the start
    signs = asyncio.create_task(_show_life(file))
    try:
        await work
    finally:
        signs.cancel()


async def _show_life(file: Path) -> None:
    """Touch a file again and again: its age shows from outside whether the role is frozen."""
    while True:
        await asyncio.sleep(ALIVE_EVERY)
        try:
            await asyncio.to_thread(file.touch)
        except OSError as error:
            log.warning("sign_of_life_failed", file=str(file), error=repr(error))
