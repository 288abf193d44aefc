"""The event store library's own `ProjectionRunner`, doing the same fold: one event, one transaction.

The documented way: an application whose events are in PostgreSQL, a view that tracks its position, and a projection
that processes one event after the other.
"""

from collections.abc import Sequence
from typing import Any, LiteralString
from urllib.parse import unquote, urlsplit

import psycopg
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Mapper, StoredEvent, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner

from events.catalogue import json_of, read_event
from events.invoice_events import AnyInvoiceEvent
from events.status import InvoiceStatus
from projections.status.fold import fold

_TABLE: LiteralString = "create table if not exists runner_status (invoice_number text primary key, document json)"
_LOAD: LiteralString = "select document::text from runner_status where invoice_number = %s"
_SAVE: LiteralString = """
    insert into runner_status (invoice_number, document) values (%s, %s)
    on conflict (invoice_number) do update set document = excluded.document
"""


class VersionedEvent:
    """An event and its version, as the application reads it back."""

    def __init__(self, stored: StoredEvent) -> None:
        self.event: AnyInvoiceEvent = read_event(stored.topic, stored.state)
        self.version = stored.originator_version


class CatalogueEvents(Mapper[str]):
    """Reads the events as they are stored, by Redletter's catalogue."""

    def to_domain_event(self, stored_event: StoredEvent) -> Any:  # noqa: ANN401 - the library's own protocol
        """Read one."""
        return VersionedEvent(stored_event)


class Invoices(Application[str]):
    """The application whose events are projected."""

    def construct_mapper(self) -> Mapper[str]:
        """Read events by Redletter's catalogue."""
        return CatalogueEvents(transcoder=self.construct_transcoder())


class StatusView(PostgresTrackingRecorder):
    """The rows, and how far they are."""

    def fold(self, versioned: VersionedEvent, tracking: Tracking) -> None:
        """Fold one event into its row, and track it, in one transaction."""
        number = versioned.event.invoice_number
        with self.datastore.get_connection() as connection, connection.transaction(), connection.cursor() as cur:
            row = cur.execute(_LOAD, (number,)).fetchone()
            before = InvoiceStatus.model_validate_json(row["document"]) if row else None
            cur.execute(_SAVE, (number, json_of(fold(before, versioned.event, versioned.version)).decode()))
            self._insert_tracking(cur, tracking)


class StatusProjection(Projection[StatusView]):
    """The projection."""

    name = "status"

    @singledispatchmethod
    def process_event(self, domain_event: object, tracking: Tracking) -> None:
        """Process one event."""
        del domain_event, tracking

    @process_event.register
    def _(self, domain_event: VersionedEvent, tracking: Tracking) -> None:
        self.view.fold(domain_event, tracking)


def _environment(database: str) -> dict[str, str]:
    url = urlsplit(database)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": url.path.lstrip("/"),
        "POSTGRES_HOST": url.hostname or "",
        "POSTGRES_PORT": str(url.port),
        "POSTGRES_USER": unquote(url.username or ""),
        "POSTGRES_PASSWORD": unquote(url.password or ""),
        "ORIGINATOR_ID_TYPE": "text",
    }


def store(database: str, events: Sequence[tuple[AnyInvoiceEvent, int, str]]) -> None:
    """Store events for the runner to project."""
    with psycopg.connect(database) as connection:
        connection.execute(_TABLE)
    with Invoices(_environment(database)) as app:
        app.recorder.insert_events(
            [StoredEvent(event.invoice_number, version, name, json_of(event)) for event, version, name in events]
        )


def project(database: str) -> None:
    """Let the runner project all that is stored and not projected yet."""
    with ProjectionRunner(
        application_class=Invoices,
        projection_class=StatusProjection,
        view_class=StatusView,
        env=_environment(database),
    ) as runner:
        runner.wait(runner.app.recorder.max_notification_id(), timeout=600)
