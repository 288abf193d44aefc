"""The event store: three queries load what a batch needs, one transaction writes all that comes of it.

Built on the recorder of the `eventsourcing` library: its table, its lock, its connections and retries. The library
retries a write on OperationalError; after a lost connection the first try may have committed, and then the positions
are not where the batch starts from: PositionLost, and the batch is dropped, as it should be.
"""

from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, cast
from uuid import UUID

from aiokafka import TopicPartition
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, TupleRow, tuple_row

from events.catalogue import read_event
from events.invoice_events import AnyInvoiceEvent
from service.invoice.claims import Change, Claim, Holder
from transport import positions
from transport.positions import Move

CONSUMER = "redletter.worker"
"""The name under which the worker's positions are kept; also its consumer group."""


LOCK_WITHIN = 5
"""Seconds to wait for the lock of the log; then the batch is tried again."""
_END_OF_PATIENCE: LiteralString = "set local transaction_timeout = '10s'"
"""A worker frozen in its transaction holds the lock that all others wait for; the server takes it away."""


class Conflict(Exception):
    """Somebody else wrote to one of the invoices or claims meanwhile: load and decide again."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The first reply to a command id: its stored name and bytes, and the digest of the body it answered."""

    digest: bytes
    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event on its way into the log."""

    stored: StoredEvent
    occurred_at: datetime
    causation: str
    correlation: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """One reply on its way into the log. command_key and digest are set where it is the final answer to its id."""

    command_key: UUID | None
    digest: bytes | None
    id: str
    name: str
    record_key: bytes | None
    subject: str | None
    value: bytes
    sent_at: datetime
    causation: str
    correlation: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """One record that was no command, byte for byte. answered: a reply of its own follows it in the log."""

    answered: bool
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    buried_at: datetime
    record_key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]]


@dataclass(frozen=True, slots=True)
class Write:
    """Everything that one batch leads to. entries are in the order of the log: a command's reply comes last."""

    entries: Sequence[EventRow | ReplyRow | DeadLetterRow]
    claims: Sequence[Change]
    moves: Sequence[Move]


def event_id(invoice_number: str, version: int) -> str:
    """Return the id of an event, which its invoice and version already make unique."""
    return f"{invoice_number}-{version}"


class InvoiceRecorder(PostgresApplicationRecorder):
    """The library's recorder, whose transaction also takes the rest of a batch."""

    def _insert_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],  # noqa: ARG002 - they are among the entries of the log
        **kwargs: Any,  # noqa: ANN401 - the library's own signature
    ) -> None:
        # The lock comes first, also without events: only so do positions of the log become visible in their order.
        self._lock_table(curs)
        curs.execute(_END_OF_PATIENCE)
        write: Write = kwargs["write"]
        tuples = cast("Cursor[TupleRow]", curs.connection.cursor(row_factory=cast("Any", tuple_row)))
        positions.advance(tuples, CONSUMER, write.moves)
        _insert_claims(tuples, write.claims)
        _insert_log(tuples, write.entries)

    def _insert_stored_events(
        self,
        curs: Cursor[DictRow],
        stored_events: Sequence[StoredEvent],
        **kwargs: Any,  # noqa: ANN401 - the same
    ) -> None:
        """Do nothing: the events went in with the rest of the log."""

    def _fetch_ids_after_insert_events(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the same
        """Return no ids: the log's positions are nobody's business but the relay's."""


class Store:
    """The write side's memory."""

    def __init__(self, database_url: str) -> None:
        target = conninfo_to_dict(database_url)
        self._datastore = PostgresDatastore(
            dbname=str(target["dbname"]),
            host=str(target["host"]),
            port=str(target.get("port", 5432)),
            user=str(target.get("user", "")),
            password=str(target.get("password", "")),
            schema="redletter",
            originator_id_type="text",
            lock_timeout=LOCK_WITHIN,
            pool_size=2,  # one for the batch in hand, one to ask for positions meanwhile
        )
        self._recorder = InvoiceRecorder(self._datastore, events_table_name="invoice_events")

    def close(self) -> None:
        """Close the connections."""
        self._datastore.close()

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the worker stands on each partition."""
        with self._cursor() as cur:
            return positions.stored(cur, CONSUMER, partitions)

    def history(
        self, keys: Sequence[UUID], numbers: Collection[str]
    ) -> tuple[dict[UUID, Earlier], dict[str, list[tuple[str, bytes]]]]:
        """Return the first replies to these ids, and each invoice's events in order, as (stored name, bytes)."""
        with self._datastore.get_connection() as connection, connection.pipeline():
            answered, recorded = _tuples(connection), _tuples(connection)
            answered.execute(_EARLIER, (list(keys),), binary=True)
            recorded.execute(_STREAMS, (sorted(numbers),), binary=True)
            earlier = {key: Earlier(digest, name, value) for key, digest, name, value in answered.fetchall()}
            streams: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
            for number, name, state in recorded.fetchall():
                streams[number].append((name, state))
        return earlier, streams

    def claims(self, claims: Collection[Claim], holds: Collection[tuple[str, str]]) -> dict[Claim, Holder]:
        """Return who holds these claims, and all that is held for these (invoice number, reissue id)."""
        with self._cursor() as cur:
            wanted, held = sorted(claims), sorted(holds)
            cur.execute(
                _CLAIMS,
                (
                    [claim.kind for claim in wanted],
                    [claim.key for claim in wanted],
                    [number for number, _ in held],
                    [reissue_id for _, reissue_id in held],
                ),
            )
            return {Claim(kind, key): Holder(*holder) for kind, key, *holder in cur.fetchall()}

    def save(self, write: Write) -> None:
        """Write everything of a batch, or nothing.

        Raises: PositionLost when another worker owns a partition, Conflict when an invoice or a claim has changed.
        """
        stored = [entry.stored for entry in write.entries if isinstance(entry, EventRow)]
        try:
            self._recorder.insert_events(stored, write=write)
        except IntegrityError as error:
            raise Conflict(str(error)) from error

    @contextmanager
    def _cursor(self) -> Generator[Cursor[TupleRow]]:
        with self._datastore.get_connection() as connection:
            yield _tuples(connection)


def read_stream(stream: Iterable[tuple[str, bytes]]) -> Iterator[AnyInvoiceEvent]:
    """Read stored events through the catalogue."""
    return (read_event(name, state) for name, state in stream)


def _tuples(connection: Connection[DictRow]) -> Cursor[TupleRow]:
    return connection.cursor(row_factory=tuple_row)


_EARLIER: LiteralString = """
    select command_key, digest, name, value from redletter.replies where command_key = any(%s)
"""
_STREAMS: LiteralString = """
    select originator_id, topic, state from redletter.invoice_events
    where originator_id = any(%s) order by originator_id, originator_version
"""
_CLAIMS: LiteralString = """
    select kind, key, invoice_number, account_id, reissue_id from redletter.claims
    join unnest(%s::text[], %s::text[]) as wanted (kind, key) using (kind, key)
    union
    select kind, key, c.invoice_number, account_id, c.reissue_id from redletter.claims as c
    join unnest(%s::text[], %s::text[]) as held (invoice_number, reissue_id)
      on c.invoice_number = held.invoice_number and c.reissue_id = held.reissue_id
"""


def _insert_claims(cur: Cursor[TupleRow], changes: Sequence[Change]) -> None:
    """Take, free and pass on claims, each from the holder that was seen.

    Raises: Conflict when any was taken or freed meanwhile.
    """
    taken = [change for change in changes if change.was is None]
    freed = [change for change in changes if change.now is None]
    passed = [change for change in changes if change.was is not None and change.now is not None]
    steps: tuple[tuple[LiteralString, list[Change]], ...] = ((_FREE, freed), (_HAND_OVER, passed), (_TAKE, taken))
    for statement, some in steps:
        if some:
            cur.execute(statement, _claim_columns(some))
            if len(cur.fetchall()) != len(some):
                msg = "a claim changed hands"
                raise Conflict(msg)


def _claim_columns(changes: Sequence[Change]) -> dict[str, list[str | None]]:
    nobody = Holder("", "")
    was = [change.was or nobody for change in changes]
    now = [change.now or nobody for change in changes]
    return {
        "kinds": [change.claim.kind for change in changes],
        "keys": [change.claim.key for change in changes],
        "was_invoices": [holder.invoice_number for holder in was],
        "was_reissues": [holder.reissue_id for holder in was],
        "now_invoices": [holder.invoice_number for holder in now],
        "now_accounts": [holder.account_id for holder in now],
        "now_reissues": [holder.reissue_id for holder in now],
    }


_TAKE: LiteralString = """
    insert into redletter.claims (kind, key, invoice_number, account_id, reissue_id)
    select * from unnest(%(kinds)s::text[], %(keys)s::text[], %(now_invoices)s::text[], %(now_accounts)s::text[],
        %(now_reissues)s::text[])
    on conflict do nothing returning 1
"""
_FREE: LiteralString = """
    delete from redletter.claims as c
    using unnest(%(kinds)s::text[], %(keys)s::text[], %(was_invoices)s::text[], %(was_reissues)s::text[])
        as f (kind, key, invoice_number, reissue_id)
    where c.kind = f.kind and c.key = f.key and c.invoice_number = f.invoice_number
      and c.reissue_id is not distinct from f.reissue_id
    returning 1
"""
_HAND_OVER: LiteralString = """
    update redletter.claims as c
    set invoice_number = p.now_invoice, account_id = p.now_account, reissue_id = p.now_reissue
    from unnest(%(kinds)s::text[], %(keys)s::text[], %(was_invoices)s::text[], %(was_reissues)s::text[],
        %(now_invoices)s::text[], %(now_accounts)s::text[], %(now_reissues)s::text[])
        as p (kind, key, was_invoice, was_reissue, now_invoice, now_account, now_reissue)
    where c.kind = p.kind and c.key = p.key and c.invoice_number = p.was_invoice
      and c.reissue_id is not distinct from p.was_reissue
    returning 1
"""


def _insert_log(cur: Cursor[TupleRow], entries: Sequence[EventRow | ReplyRow | DeadLetterRow]) -> None:
    """Give each entry its place in the log, and write each kind with one statement."""
    if not entries:
        return
    # The block of positions is drawn first, so that a command's events and its reply lie side by side.
    cur.execute(_DRAW, (len(entries),))
    by_kind: dict[type, list[tuple[int, Any]]] = defaultdict(list)
    for place, entry in enumerate(entries, start=1 - len(entries)):
        by_kind[type(entry)].append((place, entry))
    if events := by_kind.get(EventRow):
        cur.execute(_EVENTS, _event_columns(events))
    if replies := by_kind.get(ReplyRow):
        cur.execute(_REPLIES, _reply_columns(replies))
    if dead := by_kind.get(DeadLetterRow):
        cur.executemany(_DEAD_LETTERS, [_dead_letter_columns(place, row) for place, row in dead])
    cur.execute(_NOTIFY)


_NOTIFY: LiteralString = "notify redletter_log"  # the relay listens
_DRAW: LiteralString = "select setval('redletter.log_position', nextval('redletter.log_position') + %s - 1)"
_EVENTS: LiteralString = """
    insert into redletter.invoice_events (notification_id, originator_id, originator_version, topic, state,
        occurred_at, causation_id, correlation_id, traceparent)
    select currval('redletter.log_position') + place, number, version, name, state, at, causation, correlation, trace
    from unnest(%b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::bytea[], %b::timestamptz[], %b::text[],
        %b::text[], %b::text[]) as e (place, number, version, name, state, at, causation, correlation, trace)
"""
_REPLIES: LiteralString = """
    insert into redletter.replies (position, command_key, digest, id, name, record_key, subject, value, sent_at,
        causation_id, correlation_id, traceparent)
    select currval('redletter.log_position') + place, command_key, digest, id, name, record_key, subject, value,
        sent_at, causation, correlation, trace
    from unnest(%b::bigint[], %b::uuid[], %b::bytea[], %b::text[], %b::text[], %b::bytea[], %b::text[], %b::bytea[],
        %b::timestamptz[], %b::text[], %b::text[], %b::text[])
        as r (place, command_key, digest, id, name, record_key, subject, value, sent_at, causation, correlation, trace)
"""
_DEAD_LETTERS: LiteralString = """
    insert into redletter.dead_letters (position, answered, topic, partition, record_offset, reason, error, buried_at,
        record_key, value, header_names, header_values)
    values (currval('redletter.log_position') + %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)
"""


def _event_columns(rows: Sequence[tuple[int, EventRow]]) -> list[list[Any]]:
    return _columns(
        (
            place,
            row.stored.originator_id,
            row.stored.originator_version,
            row.stored.topic,
            row.stored.state,
            row.occurred_at,
            row.causation,
            row.correlation,
            row.traceparent,
        )
        for place, row in rows
    )


def _reply_columns(rows: Sequence[tuple[int, ReplyRow]]) -> list[list[Any]]:
    return _columns(
        (
            place,
            row.command_key,
            row.digest,
            row.id,
            row.name,
            row.record_key,
            row.subject,
            row.value,
            row.sent_at,
            row.causation,
            row.correlation,
            row.traceparent,
        )
        for place, row in rows
    )


def _dead_letter_columns(place: int, row: DeadLetterRow) -> tuple[Any, ...]:
    return (
        place,
        row.answered,
        row.topic,
        row.partition,
        row.offset,
        row.reason,
        row.error,
        row.buried_at,
        row.record_key,
        row.value,
        [name for name, _ in row.headers],
        [value for _, value in row.headers],
    )


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
