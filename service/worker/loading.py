"""Loading from the store what a batch is decided on."""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Protocol
from uuid import UUID

from events.invoice_events import AnyInvoiceEvent
from service.invoice.claim_changes import claims_held
from service.invoice.claim_overlay import Overlay
from service.invoice.claims import Claim, Holder
from service.invoice.evolve import evolve
from service.invoice.needed_claims import needed_by
from service.store.event_store import Recorded, read_stream
from service.store.newer_releases import ProgramTooOld
from service.store.write import TooMuchToWrite
from service.worker.memory import NEVER_SEEN, Memory, Stream
from service.worker.reading import Received, Unreadable
from service.worker.recent_invoices import RecentInvoices
from service.worker.sealing import COMMON, NOT_SEALING, Sealing, known

MAX_BATCH_CLAIMS = 5_000
"""Claims that the decisions of one transaction bear on, unless a single record bears on more."""


class Records(Protocol):
    """What is on record, as `Store` loads it."""

    def history(self, keys: Sequence[UUID], numbers: Collection[str], unknown: Collection[str]) -> Recorded:
        """Return queues, first replies, events and keys."""
        ...

    def claims(self, claims: Collection[Claim], holds: Collection[tuple[str, str]]) -> dict[Claim, Holder]:
        """Return who holds these claims, and all that is held for these."""
        ...


def load(
    store: Records,
    records: Sequence[Received | Unreadable],
    recent: RecentInvoices,
    sealing: Sealing = NOT_SEALING,
    *,
    again: bool = False,
) -> Memory:
    """Load what these records are answered on, as far as it is not remembered.

    again: they have been decided in vain, so that the claims of all their invoices are loaded too.
    Raises: ProgramTooOld, TooMuchToWrite, OutsideKeyMissing, psycopg's errors.
    """
    received = [record for record in records if isinstance(record, Received)]
    numbers = {record.command.invoice_number for record in received}
    buried = {record.invoice_number or COMMON for record in records if isinstance(record, Unreadable)}
    streams = recent.among(numbers)
    keys = [record.key for record in received]
    queues, earlier, stored, kept = store.history(keys, numbers | buried | {COMMON}, numbers - streams.keys())
    under = sealing.keys(kept)
    streams |= {number: fold(known(read_stream(events), under.found.get(number))) for number, events in stored.items()}
    needed = [(record.command.invoice_number, needed_by(record.command)) for record in received]
    freeing = numbers if again else {number for number, name in needed if name.own}
    own = [claims_held(state) for number in freeing if (state := streams.get(number, NEVER_SEEN).state)]
    claims = set(chain.from_iterable(chain((name.claims for _, name in needed), own)))
    if len(claims) > MAX_BATCH_CLAIMS and len(received) > 1:
        raise TooMuchToWrite
    holds = set(chain.from_iterable(name.holds for _, name in needed))
    return Memory(streams, earlier, Overlay(store.claims(claims, holds)), queues, under)


def fold(events: Iterable[AnyInvoiceEvent]) -> Stream:
    """Replay a stream. A stream that cannot be read faults its own commands, and no others.

    Raises: ProgramTooOld.
    """
    state, version = None, 0
    try:
        for event in events:
            state, version = evolve(state, event), version + 1
    except ProgramTooOld:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, only this invoice's commands may suffer from it
        return Stream(state, version, error)
    return Stream(state, version)
