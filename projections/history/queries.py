"""The history of an invoice, and the answers of other read models as they were at a moment."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL

from events.catalogue import json_of, read_event, stored_name
from events.invoice_events import AnyInvoiceEvent
from events.values import Message, Time
from projections.answers import OUT_OF_DATE, Answer
from projections.details import fold as details
from projections.details.queries import joined
from projections.status import fold as status

_OF = SQL("""
    select account_id, version, event_id, type, occurred_at, causation_id, correlation_id, data::text, {}
    from projections.history where invoice_number = %(number)s order by version
""").format(OUT_OF_DATE)


class PublishedEvent(Message):
    """An event as it was published. data: its body."""

    id: str
    type: str
    version: int
    occurred_at: Time
    causation_id: str
    correlation_id: str
    data: dict[str, object]


class InvoiceHistory(Message):
    """Every event of an invoice, from its first on."""

    events: tuple[PublishedEvent, ...]


class _Row(NamedTuple):
    account_id: str
    version: int
    event_id: str
    type: str
    occurred_at: datetime
    causation_id: str
    correlation_id: str
    data: str
    out_of_date: str | None


async def of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Answer | None:
    """Return the history of an invoice, or None for one not seen."""
    rows = await _rows(connection, invoice_number)
    return _answer(rows, '{"events":[' + ",".join(map(_event, rows)) + "]}")


async def status_at(connection: AsyncConnection[TupleRow], invoice_number: str, moment: datetime) -> Answer | None:
    """Return the status document of an invoice as it was; no body when it was not issued yet."""
    rows = await _rows(connection, invoice_number)
    document = None
    for version, event in _until(rows, moment):
        document = status.fold(document, event, version)
    return _answer(rows, document and json_of(document).decode())


async def details_at(connection: AsyncConnection[TupleRow], invoice_number: str, moment: datetime) -> Answer | None:
    """Return the details of an invoice as they were; no body when it was not issued yet."""
    rows = await _rows(connection, invoice_number)
    row = None
    for version, event in _until(rows, moment):
        row = details.fold(row, event, version)
    return _answer(rows, row and joined(rows[0].data, json_of(row).decode()))


async def _rows(connection: AsyncConnection[TupleRow], invoice_number: str) -> list[_Row]:
    return [
        _Row(*row)
        for row in await (await connection.execute(_OF, {"model": "history", "number": invoice_number})).fetchall()
    ]


def _until(rows: list[_Row], moment: datetime) -> Iterator[tuple[int, AnyInvoiceEvent]]:
    for row in rows:
        if row.occurred_at > moment:
            return
        yield row.version, read_event(stored_name(row.type), row.data.encode())


def _answer(rows: list[_Row], body: str | None) -> Answer | None:
    """Answer from the events that are here. Of an invoice that this read model has parked, some are not."""
    if not rows:
        return None
    return Answer(rows[0].account_id, rows[-1].version, body, rows[0].out_of_date)


def _event(row: _Row) -> str:
    """Write an event around its body, which is not read."""
    head = {
        "id": row.event_id,
        "type": row.type,
        "version": row.version,
        "occurred_at": row.occurred_at.astimezone(UTC).isoformat(),
        "causation_id": row.causation_id,
        "correlation_id": row.correlation_id,
    }
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "data": {row.data}}}'
