"""A write of the usual shape that says nothing: where it fails, the fault is the database's and not a record's."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from events.trace import Trace
from service.invoice.claims import Claim, ClaimChange, Holder
from service.log.entries import DeadLetterEntry, EventEntry, NoticeEntry, ReplyEntry
from service.log.parking import Queue
from service.store.write import Write
from transport.positions import Move
from transport.records import ConsumerRecord

_NUMBER = "00000000000000000000"
_ID = "rehearsal"


def harmless(time: datetime, moves: Sequence[Move]) -> Write:
    """Return a write of one entry of each kind, a claim and a command that waits; to be rolled back."""
    move = moves[0]
    queue = Queue(_ID)
    queue.add(uuid4(), _ID, _ID, _ID, ConsumerRecord(move.topic, 0, 0, 0, 1, None, None, None, 0, 0, ()))
    holder, trace = Holder(_NUMBER, _ID), Trace(_ID, _ID, None)
    return Write(
        entries=[
            EventEntry(_NUMBER, 1, "InvoiceIssued.v1", b"{}", time, trace),
            DeadLetterEntry(
                answered=True,
                topic=move.topic,
                partition=move.partition,
                offset=move.was,
                reason="FAULT",
                error=_ID,
                buried_at=time,
                record_key=_NUMBER.encode(),
                value=b"{}",
                headers=(),
            ),
            NoticeEntry(
                answered=True,
                id=_ID,
                name="CommandReleased.v1",
                invoice_number=_NUMBER,
                value=b"{}",
                sent_at=time,
                trace=trace,
            ),
            ReplyEntry(
                command_key=uuid4(),
                digest=b"",
                id=_ID,
                name="CommandAccepted.v1",
                record_key=_NUMBER.encode(),
                subject=_NUMBER,
                value=b"{}",
                sent_at=time,
                trace=trace,
                came_by=0,
            ),
        ],
        claims=[ClaimChange(Claim("document", _ID), None, holder)],
        moves=[move._replace(next=move.was) for move in moves],
        queues={_NUMBER: queue},
    )
