"""Read models to rebuild: invoices that a projector has projected, their rows, and the tables of a rebuild."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from events.invoice_events import AnyInvoiceEvent
from projections import projector
from projections.catalogue import MODELS, REBUILT, CatalogueEntry
from projections.rebuild.rebuilding import ProgressReport
from tests.projections.support import facts
from tests.projections.support.projected import number
from tests.projections.support.published import messages, publish
from tests.support.tasks import running
from tests.support.waiting import until
from transport.addresses import Addresses

EVENTS = (
    facts.issued(),
    facts.posting(),
    facts.requested(),
    facts.confirmed(),
    facts.credited(),
    facts.returned(),
    facts.reissue_requested(),
)


def story(index: int) -> list[AnyInvoiceEvent]:
    own = {"invoice_number": number(index)}
    return [event.model_copy(update=own | facts.common(number(index), hour)) for hour, event in enumerate(EVENTS)]


def quietly() -> ProgressReport:
    return ProgressReport(lambda _done, _total: None, lambda _sentence: None)


@asynccontextmanager
async def projected(addresses: Addresses, invoices: int) -> AsyncGenerator[None]:
    """Hold a projector whose read models have seen so many invoices."""
    await publish(addresses, [one for index in range(invoices) for one in messages(story(index))])
    async with running(projector.run(addresses)):
        await until(lambda: seen(addresses, invoices))
        yield


async def seen(addresses: Addresses, invoices: int) -> bool:
    """Return whether every read model has seen so many invoices to their end."""
    with psycopg.connect(addresses.database) as connection:
        for table in map(_with_versions, REBUILT.values()):
            reached = "select invoice_number from {} group by 1 having max(version) = %s"
            query = SQL(reached).format(Identifier("projections", table))
            if len(connection.execute(query, (len(EVENTS),)).fetchall()) < invoices:
                return False
    return True


def _with_versions(entry: CatalogueEntry) -> str:
    """Return the table of a read model that holds the version which each invoice has reached."""
    names = entry.make().names()
    return next((name for name in names if name.endswith("_invoices")), names[0])


def change(addresses: Addresses, statement: LiteralString, *facts: str) -> None:
    with psycopg.connect(addresses.database) as connection:
        connection.execute(statement, facts)


def rows(addresses: Addresses, query: LiteralString) -> Sequence[Any]:
    with psycopg.connect(addresses.database) as connection:
        return connection.execute(query).fetchall()


def contents(addresses: Addresses, model: str) -> list[Any]:
    found: list[Any] = []
    with psycopg.connect(addresses.database) as connection:
        for name in MODELS[model].make().names():
            query = SQL("select t::text from {} as t order by 1").format(Identifier("projections", name))
            found += connection.execute(query).fetchall()
    return found


def tables_left(addresses: Addresses) -> Sequence[Any]:
    query = "select tablename from pg_tables where schemaname = 'projections' and tablename like '%\\_\\_%'"
    return rows(addresses, query)
