"""One command, decided on what the ones before it left.

Order of checks: channel, idempotency, parked, rules. Pure: what is needed has been loaded.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from pydantic import JsonValue

from events.catalogue import read_reply
from events.commands import EraseInvoice
from events.invoice_events import AnyInvoiceEvent
from events.replies import AnyReply
from service.invoice.claim_changes import claim_changes
from service.invoice.claims import ClaimChange
from service.invoice.decide import decide
from service.invoice.evolve import evolve
from service.invoice.refusal_kinds import KINDS
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice
from service.log.entries import EarlierReply
from service.log.parking import Queue
from service.worker.memory import Memory, Stream
from service.worker.reading import Received
from service.worker.sealing import Keys, digests, sealed


class Accepted(NamedTuple):
    """The command was accepted: its events as they are recorded, claims that change hands, the invoice afterwards."""

    events: Sequence[AnyInvoiceEvent]
    claims: Sequence[ClaimChange]
    state: Invoice
    version: int


class Refused(NamedTuple):
    """The command was refused. version: the invoice's, where the reply may show it."""

    refusal: Refusal
    version: int | None = None


class Repeated(NamedTuple):
    """The command was decided before, with this reply."""

    reply: AnyReply


class Waits(NamedTuple):
    """The command waits in the queue of its invoice, which is parked."""

    queue: Queue


Decided = Accepted | Refused | Repeated | Waits


def decide_command(received: Received, memory: Memory) -> Decided:
    """Decide one command.

    Raises: WrittenByNewerRelease when a newer release has replied to its id before; whatever a fault of the program
    raises.
    """
    if known := answer_known(received, memory):
        return known
    if queue := memory.queues.get(received.command.invoice_number):
        # What waits behind an erasure would be sealed under the key that this destroys.
        is_erasure = isinstance(received.command, EraseInvoice)
        return _refuse_to_wait(queue) if is_erasure else wait(received, queue)
    return _by_rules(received, memory)


def answer_known(received: Received, memory: Memory) -> Refused | Repeated | None:
    """Answer a command from a topic that is not its own, or whose id was used before, or waits for another invoice.

    No other is answered here. Raises: the same.
    """
    channel = received.command.CHANNEL.value
    if received.record.topic != channel:
        return Refused(refuse("WRONG_CHANNEL", expected=channel, topic=received.record.topic))
    if earlier := memory.earlier.get(received.key):
        return _repeated(received, earlier, memory.keys)
    if memory.waits_elsewhere(received.key, received.command.invoice_number):
        return _reused(received)
    return None


def wait(received: Received, queue: Queue) -> Waits | Refused:
    """Let a command wait if there is room for it."""
    if queue.has_room_for(received.record):
        return Waits(queue)
    return _refuse_to_wait(queue)


def _refuse_to_wait(queue: Queue) -> Refused:
    return Refused(refuse("INVOICE_PARKED", commands=queue.commands))


def _repeated(received: Received, earlier: EarlierReply, keys: Keys) -> Repeated | Refused:
    if earlier.digest not in digests(received.digest, keys, received.command.invoice_number):
        return _reused(received)
    return Repeated(read_reply(earlier.name, earlier.value).but(replayed=True))


def _reused(received: Received) -> Refused:
    return Refused(refuse("IDEMPOTENCY_KEY_REUSED", id=received.id, source=received.source))


def _by_rules(received: Received, memory: Memory) -> Accepted | Refused:
    stream = memory.stream(received.command.invoice_number)
    if stream.broken:
        raise stream.broken
    decision = decide(stream.state, memory.claims, received.command, received.moment)
    if isinstance(decision, Refusal):
        return Refused(decision, _version_shown(received, decision, stream))
    number = received.command.invoice_number
    key = memory.keys.found.get(number) if stream.state else memory.keys.new(number)
    state, changes, recorded = stream.state, list[ClaimChange](), list[AnyInvoiceEvent]()
    for event in decision:
        known, stored = sealed(event, state, key)
        changes += claim_changes(state, known)
        state = evolve(state, known)
        recorded.append(stored)
    return Accepted(recorded, changes, cast("Invoice", state), stream.version + len(decision))


def _version_shown(received: Received, refusal: Refusal, stream: Stream) -> int | None:
    """Return the version of an invoice that exists and is the caller's; billing names the account it means."""
    if stream.state is None or not KINDS[refusal.code].tells_version:
        return None
    account: JsonValue = getattr(received.command, "account_id", stream.state.account_id)
    return stream.version if account == stream.state.account_id else None
