"""What a real run wrote and published for each command, so that the raw pipe can write and publish the very same."""

import pickle
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from aiokafka import ConsumerRecord

from events.trace import Trace
from service.invoice.claims import Claim, ClaimChange, Holder
from service.log.entries import EventEntry, ReplyEntry
from service.store.log_tables import EVENT_COLUMNS, REPLY_COLUMNS
from transport.records import OutgoingRecord

Published = ConsumerRecord[bytes | None, bytes | None]


@dataclass(slots=True)
class Outcome:
    """The rows and the messages of one command, in the order in which they were written and published."""

    entries: list[EventEntry | ReplyEntry] = field(default_factory=list[EventEntry | ReplyEntry])
    claims: list[ClaimChange] = field(default_factory=list[ClaimChange])
    messages: list[OutgoingRecord] = field(default_factory=list[OutgoingRecord])


Recording = Mapping[bytes, Outcome]
"""By command id, as its header has it."""


def record(database_url: str, published: Iterable[Published]) -> Recording:
    """Gather what a run left in the store and on the topics."""
    outcomes: dict[bytes, Outcome] = defaultdict(Outcome)
    first: dict[str, bytes] = {}
    with psycopg.connect(database_url) as connection:
        for columns in connection.execute(_EVENTS):
            *own, causation, correlation, traceparent = columns
            event = EventEntry(*own, trace=Trace(causation, correlation, traceparent))
            outcomes[causation.encode()].entries.append(event)
            first.setdefault(event.invoice_number, causation.encode())
        for columns in connection.execute(_REPLIES):
            *own, causation, correlation, traceparent, partition = columns
            reply = ReplyEntry(*own, trace=Trace(causation, correlation, traceparent), came_by=partition)
            outcomes[causation.encode()].entries.append(reply)
        for kind, key, number, account, reissue in connection.execute(_CLAIMS):
            outcomes[first[number]].claims.append(ClaimChange(Claim(kind, key), None, Holder(number, account, reissue)))
    for message in sorted(published, key=lambda one: one.topic):
        headers = list(message.headers)
        outcome = outcomes[dict(headers)["ce_causationid"] or b""]
        outcome.messages.append(OutgoingRecord(message.topic, message.key, message.value, headers))
    return dict(outcomes)


_EVENTS = f"select {', '.join(EVENT_COLUMNS)} from redletter.invoice_events order by partition, place"  # noqa: S608 - literals alone
_REPLIES = f"select {', '.join(REPLY_COLUMNS)}, partition from redletter.replies order by partition, place"  # noqa: S608 - the same
_CLAIMS = "select kind, key, invoice_number, account_id, reissue_id from redletter.claims order by kind, key"


def keep(recording: Recording, file: Path) -> None:
    """Put a recording down for another process."""
    file.write_bytes(pickle.dumps(recording))


def kept(file: Path) -> Recording:
    """Read a recording that this program wrote."""
    return pickle.loads(file.read_bytes())  # noqa: S301 - our own file
