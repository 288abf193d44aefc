"""What an entry of the log is published as."""

from hashlib import sha256

from events import cloudevents
from events.log_headers import log_headers
from events.names import WORKER_SOURCE, event_id
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC
from service.store.log_tables import LogRow
from transport.records import Headers, OutgoingRecord
from transport.spans import Step

_TOPIC_OF_KIND = {
    "event": EVENTS_TOPIC,
    "reply": REPLIES_TOPIC,
    "dead letter": DEAD_LETTERS_TOPIC,
    "notice": PARKED_TOPIC,
}
MAX_STAND_IN_KEY_BYTES = 256
"""A longer key is left out of a stand-in: it may be what is too large."""


def outgoing_record(row: LogRow, partition: int) -> OutgoingRecord:
    """Turn one entry of the log into the record that is published."""
    headers = _dead_letter_headers(row) if row.kind == "dead letter" else _headers(row)
    return OutgoingRecord(_TOPIC_OF_KIND[row.kind], row.key, row.value, headers, partition)


def stand_in(row: LogRow, partition: int) -> OutgoingRecord:
    """Return what is published in the place of an entry that Kafka refuses for its size.

    It has no value, and says what it stands for: ``dl_reason``, and size and SHA-256 of the value. An event and a reply
    keep their own headers; a dead letter keeps only those that say where its record lay.
    """
    value = row.value or b""
    if row.kind == "dead letter":
        own = [(name, content) for name, content in _dead_letter_headers(row) if name in _PLACE]
    else:
        own = list(_headers(row))
    facts = [
        ("dl_reason", b"TOO_LARGE"),
        ("dl_size", str(len(value)).encode()),
        ("dl_sha256", sha256(value).hexdigest().encode()),
    ]
    key = row.key if row.key is None or len(row.key) <= MAX_STAND_IN_KEY_BYTES else None
    return OutgoingRecord(_TOPIC_OF_KIND[row.kind], key, None, [*own, *facts], partition)


def step_of(row: LogRow) -> Step:
    """Return the step of publishing an entry, which follows the decision on its command."""
    return Step("relay", row.name.partition(".")[0], _id(row), row.traceparent, after=("decide", row.causation))


_PLACE = frozenset({"dl_topic", "dl_partition", "dl_offset", "dl_time"})


def _headers(row: LogRow) -> Headers:
    attributes = cloudevents.headers(
        id=_id(row),
        source=WORKER_SOURCE,
        name=row.name,
        subject=row.subject,
        time=row.at,
        correlation=row.correlation,
        causation=row.causation,
        traceparent=row.traceparent,
        version=row.version,
    )
    return [*attributes, *log_headers(row.place, row.digest)]


def _id(row: LogRow) -> str:
    return event_id(str(row.subject), row.version or 0) if row.kind == "event" else row.id


def _dead_letter_headers(row: LogRow) -> Headers:
    headers = [
        (name.decode(), value) for name, value in zip(row.header_names or (), row.header_values or (), strict=True)
    ]
    return [*headers, ("dl_time", row.at.isoformat().encode())]
