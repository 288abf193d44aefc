"""The application: every part of the api, and what each is made of. How it is served is in `web.serving`."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version

import structlog
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from events.values import Route
from rules.calendar import MAINLAND_CHINA, MainlandChina
from rules.key_wrapping import NO_WRAPPING, KeyWrapping
from transport.addresses import Addresses
from transport.clients.postgres import Pool
from web import console
from web.api import asyncapi, invoices, keys, lookups, openapi, returns
from web.console.sampling import Sampler
from web.gateway import command_status, commands
from web.gateway import returns as gateway_returns
from web.gateway.command_publisher import CommandPublisher
from web.http import problems
from web.http.head_requests import HeadAsGet
from web.http.identity import ANYBODY_HERE, Access, Identified
from web.http.issuer_documents import IssuerDocuments
from web.http.login_flow import LoginFlow
from web.http.reading import Reader, Readers, pool_of, writing_pool_of
from web.http.sealed_texts import InvoiceKeys, OpeningReader
from web.http.security_headers import SafeHeaders
from web.http.sessions import Sessions
from web.http.timing import Timed
from web.http.tokens import Tokens
from web.live import stream
from web.live.hub import Hub
from web.operations import board, health, prometheus
from web.operations.readiness import Watch

log = structlog.get_logger(__name__)

_VERSION = version("redletter")


def build(  # noqa: PLR0913, PLR0917 - the settings of the role
    addresses: Addresses,
    clock_shift: timedelta = timedelta(),
    general_recorded_route: Route = "simple",
    calendar: MainlandChina = MAINLAND_CHINA,
    access: Access = ANYBODY_HERE,
    key_wrapping: KeyWrapping = NO_WRAPPING,
) -> FastAPI:
    """Return the application. Its lifespan holds the connections; it starts even while Kafka or PostgreSQL is down."""
    publisher, hub = CommandPublisher(addresses.kafka), Hub(addresses.kafka)
    writing = writing_pool_of(addresses.database)
    invoice_keys = InvoiceKeys(Reader(writing), key_wrapping)
    readers, pools = _readers(addresses, invoice_keys)
    reader = readers.read_models
    listens = {"replies": publisher.tail.reading.is_set, "status documents": hub.tail.reading.is_set}
    watch = Watch(addresses.kafka, calendar, listens)
    sampler = Sampler(readers, watch)
    scraped = prometheus.Scraped(readers, watch, clock_shift, sampler.lags)
    ended = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        for pool in (*pools, writing):
            await pool.open(wait=False)
        parts = {"replies": publisher, "status documents": hub, "samples": sampler, "metrics": scraped}
        listening = [_watched(part.run(), name, ended) for name, part in parts.items()]
        try:
            yield
        finally:
            hub.close()
            await _end(listening)
            for pool in (*pools, writing):
                await pool.close(timeout=1)

    app = FastAPIOffline(
        title="Redletter",
        version=_VERSION,
        description="Where is my return? The [topics and messages](/asyncapi) are for programs that use Kafka.",
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,  # such a redirect leads wherever the Host header says
    )
    app.state.send_listeners_away = hub.close
    app.state.part_ended = ended
    app.include_router(invoices.router(reader, clock_shift))
    app.include_router(commands.router(publisher))
    app.include_router(gateway_returns.router(publisher))
    app.include_router(command_status.router(reader, addresses.kafka))
    app.include_router(keys.router(reader, invoice_keys))
    app.include_router(lookups.router(reader))
    app.include_router(returns.router(reader))
    app.include_router(stream.router(hub))
    app.include_router(board.router(readers, watch, clock_shift))
    app.include_router(prometheus.router(scraped))
    app.include_router(health.router(readers, watch, clock_shift))
    app.include_router(asyncapi.router(_VERSION))
    sessions = Sessions(Reader(writing))
    tokens, login_flow = _identification(access)
    refuse = console.install(
        app,
        readers=readers,
        publisher=publisher,
        hub=hub,
        sampler=sampler,
        clock_shift=clock_shift,
        general_recorded_route=general_recorded_route,
        watch=watch,
        version=_VERSION,
        sessions=sessions,
        login_flow=login_flow,
    )
    app.add_middleware(HeadAsGet, endless=stream.PATH)
    app.add_middleware(Identified, access=access, tokens=tokens, sessions=sessions, refuse=refuse)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Timed)
    problems.install(app)
    openapi.install(app, asked=tokens is not None)
    return app


def _readers(addresses: Addresses, invoice_keys: InvoiceKeys) -> tuple[Readers, Sequence[Pool]]:
    """Return what reads the read models and the log, and the pools of its sessions."""
    read_models = pool_of(addresses.of_read_side().database)
    reader = OpeningReader(read_models, invoice_keys)
    if addresses.of_read_side().database == addresses.database:
        return Readers(reader, reader), [read_models]
    log_pool = pool_of(addresses.database, "api log")
    return Readers(reader, Reader(log_pool)), [read_models, log_pool]


def _identification(access: Access) -> tuple[Tokens | None, LoginFlow | None]:
    """Return what reads callers' tokens, and how people log in, if they do."""
    if access.issuer is None:
        return None, None
    documents = IssuerDocuments(access.issuer.url)
    tokens = Tokens(documents, access.issuer.audience)
    return tokens, LoginFlow(documents, access.client) if access.client else None


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: the Kafka client swallows a cancellation that comes while it starts."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.2)


def _watched(work: Coroutine[None, None, None], name: str, ended: asyncio.Event) -> asyncio.Task[None]:
    """Run a part of the api for as long as the api runs. If it ends without being cancelled, the api ends too."""

    def note(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("api_part_ended", part=name, exc_info=task.exception())
            ended.set()

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(note)
    return task
