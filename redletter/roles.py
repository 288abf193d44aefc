"""Start each role with what it needs, and stop it cleanly on demand.

A role's modules are imported when it starts: it loads nothing of the others.
"""

import asyncio
import gc
import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from redletter.role_process import RoleWork, run_until_stopped
from redletter.settings import Settings
from transport.addresses import Addresses
from transport.clients import postgres

if TYPE_CHECKING:
    from service.invoice.moment import Policy
    from service.worker.sealing import Sealing
    from web.http.identity import Access

log = structlog.get_logger(__name__)

_ALIVE_INTERVAL_SECONDS = 5.0
_TRACE_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's variables: where one is set, the roles export traces."""

_ON_READ_MODELS = ("projector", "api")
"""The roles that cannot work without the read models' database."""

RoleStart = Callable[[Addresses, Settings], RoleWork]


def role_command(role: str) -> Sequence[str]:
    """Return the command line that runs a role as its own process."""
    return (sys.executable, str(Path(sysconfig.get_path("scripts")) / "redletter"), role)


def policy_of(settings: Settings) -> "Policy":
    """Return the settings that decisions depend on."""
    from service.invoice.moment import Policy

    return Policy(
        general_recorded_route=settings.general_recorded_route,
        repeat=timedelta(seconds=settings.tax_repeat_seconds),
        repeat_max=timedelta(seconds=settings.tax_repeat_max_seconds),
        retention_years=settings.retention_years,
    )


def sealing_of(settings: Settings) -> "Sealing":
    """Return whether and how texts of invoices are sealed."""
    from service.worker.sealing import Sealing

    return Sealing(settings.sealing == "on", settings.key_wrapping())


def _worker(addresses: Addresses, settings: Settings) -> RoleWork:
    """Decide commands."""
    from service.worker import role

    return role.run(
        addresses,
        clock_shift=settings.clock_shift,
        calendar=settings.calendar(),
        policy=policy_of(settings),
        sealing=sealing_of(settings),
    )


def _relay(addresses: Addresses, settings: Settings) -> RoleWork:
    """Publish the log."""
    from service import relay as role

    return role.run(addresses, standbys=settings.publish_after_standbys)


def _projector(addresses: Addresses, settings: Settings) -> RoleWork:
    """Fold events into the read models."""
    del settings
    from projections import projector as role

    return role.run(addresses.of_read_side())


def _clock(addresses: Addresses, settings: Settings) -> RoleWork:
    """Send tax requests, and repeat those not answered."""
    from service import clock as role

    return role.run(
        addresses,
        clock_shift=settings.clock_shift,
        calendar=settings.calendar(),
        repeat=timedelta(seconds=settings.tax_repeat_seconds),
        repeat_max=timedelta(seconds=settings.tax_repeat_max_seconds),
    )


def _api(addresses: Addresses, settings: Settings) -> RoleWork:
    """Answer queries, and serve the web page."""
    from web import serving as role

    return role.run(
        addresses,
        host=settings.api_host,
        port=settings.api_port,
        clock_shift=settings.clock_shift,
        general_recorded_route=settings.general_recorded_route,
        calendar=settings.calendar(),
        access=_access(settings),
        key_wrapping=settings.key_wrapping(),
    )


def _access(settings: Settings) -> "Access":
    from web.http.identity import Access
    from web.http.issuer_documents import Issuer
    from web.http.login_flow import PageClient

    hosts = settings.answered_hosts()
    if settings.auth == "none" or not settings.oidc_issuer or not settings.oidc_audience:
        return Access(hosts)
    client_id, secret = settings.oidc_client_id, settings.oidc_client_secret
    client = PageClient(client_id, secret) if client_id and secret else None
    issuer = Issuer(settings.oidc_issuer, settings.oidc_audience)
    return Access(hosts, issuer, client, settings.api_requests_per_minute)


def _tax_simulator(addresses: Addresses, settings: Settings) -> RoleWork:
    """Play the tax platform and its connector."""
    from tax_simulator import role

    return role.run(addresses, clock_shift=settings.clock_shift)


def _on_suitable_database(role: str, start: RoleStart) -> RoleStart:
    def started(addresses: Addresses, settings: Settings) -> RoleWork:
        # A database that is away is waited for. One that is unsuitable ends the role, with UnsuitableDatabase.
        return _beside(start(addresses, settings), _refuse_unsuitable(addresses, role))

    return started


async def _refuse_unsuitable(addresses: Addresses, role: str) -> None:
    writes = {addresses.of_read_side().database: role == "projector"} if role in _ON_READ_MODELS else {}
    if role != "projector":
        writes |= {addresses.database: True}
    await asyncio.gather(*(postgres.refuse_unsuitable(url, role, writes=its) for url, its in writes.items()))


ROLE_STARTS: dict[str, RoleStart] = {
    role: _on_suitable_database(role, start)
    for role, start in {
        "worker": _worker,
        "relay": _relay,
        "projector": _projector,
        "clock": _clock,
        "api": _api,
        "tax-simulator": _tax_simulator,
    }.items()
}


def run(role: str, addresses: Addresses, settings: Settings) -> int:
    """Run a role until SIGTERM or SIGINT, and return the exit code: 1 if it ended without being told to."""
    structlog.contextvars.bind_contextvars(role=role)
    end_traces = _export_traces(role)

    def prepare() -> RoleWork:
        work = ROLE_STARTS[role](addresses, settings)
        if settings.health_port is not None:
            work = _beside(work, _health(addresses, role, settings.api_host, settings.health_port))
        _relax_garbage_collection()
        return _touching_alive_file(work, settings.alive_file) if settings.alive_file else work

    code = run_until_stopped(prepare)
    end_traces()
    return code


def _export_traces(role: str) -> Callable[[], None]:
    """Export traces if the environment asks for it; return what exports the rest at the end."""
    if not any(os.environ.get(name) for name in _TRACE_ENDPOINTS):
        return lambda: None
    from redletter.tracing import export_by_otlp

    return export_by_otlp(role)


def _health(addresses: Addresses, role: str, host: str, port: int) -> RoleWork:
    from redletter.role_health import serve_health

    return serve_health(addresses.of_read_side() if role in _ON_READ_MODELS else addresses, role, host, port)


async def _beside(work: RoleWork, companion: RoleWork) -> None:
    """Do the work, and something beside it that ends the work when it fails. Raises: what either of them raises."""
    working, other = asyncio.ensure_future(work), asyncio.ensure_future(companion)
    try:
        await asyncio.wait({working, other}, return_when=asyncio.FIRST_COMPLETED)
        if other.done():
            other.result()
        await working
    finally:
        other.cancel()
        working.cancel()
        await asyncio.wait({working, other})


def _relax_garbage_collection() -> None:
    """Let the garbage collector run rarely, and exempt what the imports created.

    A batch creates tens of thousands of objects that live to its end and form no cycles; searching for cycles every
    700 objects took a fifth of the worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


async def _touching_alive_file(work: RoleWork, file: Path) -> None:
    await asyncio.to_thread(file.touch)  # one that cannot be touched at all stops the start
    touching = asyncio.create_task(_keep_touching(file))
    try:
        await work
    finally:
        touching.cancel()


async def _keep_touching(file: Path) -> None:
    """Touch a file every few seconds: its age shows from outside whether the role is frozen."""
    while True:
        await asyncio.sleep(_ALIVE_INTERVAL_SECONDS)
        try:
            await asyncio.to_thread(file.touch)
        except OSError as error:
            log.warning("alive_file_not_touched", file=str(file), error=repr(error))
