"""Replies and notices of parked commands, and the read model that keeps them."""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

from aiokafka import TopicPartition

from events.notices import AnyNotice, CommandParked, notice_id
from events.replies import reply_id
from events.topics import PARKED_TOPIC, REPLIES_TOPIC, Channel
from projections.catalogue import MODELS
from projections.engine.projection import Projection
from tests.projections.support.published import record
from transport.addresses import Addresses
from transport.batch import Batch
from transport.records import ConsumerRecord, OutgoingRecord

CUSTOMER, BILLING = Channel.CUSTOMER.value, Channel.BILLING.value
ACCEPTED = "ACCEPTED"


BODY: dict[str, object] = {
    "command_id": "c1",
    "command_source": "urn:s",
    "command_type": "redletter.invoice.RequestReturn.v1",
    "replayed": False,
    "said": "",
}


def reply(answer: str = ACCEPTED, *, to: tuple[str, int, int] = (CUSTOMER, 0, 0), **but: object) -> OutgoingRecord:
    code = {} if answer == ACCEPTED else {"code": answer}
    value = json.dumps(BODY | but | code).encode()
    return OutgoingRecord(REPLIES_TOPIC, b"key", value, [("ce_id", reply_id(*to).encode())])


def notice(
    to: tuple[str, int, int] = (CUSTOMER, 0, 0), kind: type[AnyNotice] = CommandParked, **but: object
) -> OutgoingRecord:
    value = json.dumps({"command_id": "c1", "command_source": "urn:s"} | but).encode()
    return OutgoingRecord(PARKED_TOPIC, b"key", value, [("ce_id", notice_id(reply_id(*to), kind).encode())])


def project(
    tables: Addresses, *batches: Sequence[OutgoingRecord], partition: int = 0, age: timedelta = timedelta()
) -> None:
    """Let the read model handle replies in so many batches; what is in one is of one topic."""
    entry = MODELS["replies"]
    with closing(Projection(tables.database, consumer=entry.consumer, model=entry.make())) as projection:
        for batch in batches:
            own = TopicPartition(batch[0].topic, partition)
            start = projection.positions([own])[own]
            records = [_record(one, start + place, partition, age) for place, one in enumerate(batch)]
            projection.handle(Batch(records, {own: start}))


def _record(of: OutgoingRecord, offset: int, partition: int, age: timedelta) -> ConsumerRecord:
    published = record(of, offset, partition)
    published.timestamp = int((time.time() - age.total_seconds()) * 1000)
    return published
