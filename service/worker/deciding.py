"""A batch, decided: each record on what the ones before it left, and none spoiling another.

Order of checks: readable, channel, idempotency, rules. Pure: what is needed has been loaded (`memory`), and what comes
of it is stored and logged by the role.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from pydantic import JsonValue

from events.catalogue import read_reply
from events.invoice_events import AnyInvoiceEvent
from events.replies import AnyReply
from events.stored import WrittenByNewerRelease
from service.invoice.claim_changes import claim_changes
from service.invoice.decide import decide
from service.invoice.evolve import evolve
from service.invoice.overlay import Overlay, WrongHolder
from service.invoice.refusal_kinds import KINDS
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice, status_of
from service.log.entries import EarlierReply, EventEntry, LogEntry, ReplyEntry
from service.worker import replies
from service.worker.moments import Moments
from service.worker.reading import Received, Unreadable


@dataclass(frozen=True, slots=True)
class Stream:
    """An invoice as its events say, and how many they are. broken: its events could not be read."""

    state: Invoice | None
    version: int
    broken: Exception | None = None


NEVER_SEEN = Stream(None, 0)


class Unpublishable(Exception):
    """What a command led to is larger than any message that Kafka takes: a fault of ours, not committed."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault of ours that was met on the way, for the log: its key and its facts."""

    key: str
    facts: Mapping[str, Any]
    fault: Exception | None = None


@dataclass(slots=True)
class Decisions:
    """What a batch has been decided on so far, and what it leads to.

    streams, earlier and claims begin as loaded, and each decision moves them on. replies: with their correlation ids.
    """

    streams: dict[str, Stream]
    earlier: dict[UUID, EarlierReply]
    claims: Overlay
    moments: Moments
    replies: list[tuple[AnyReply, str]] = field(default_factory=list[tuple[AnyReply, str]])
    entries: list[LogEntry] = field(default_factory=list[LogEntry])
    incidents: list[Incident] = field(default_factory=list[Incident])

    def take(self, record: Received | Unreadable) -> None:
        """Decide one record, and keep what comes of it.

        Raises: WrongHolder when what was loaded does not fit together, since a rival wrote in between;
        WrittenByNewerRelease when a newer release has replied to this id before.
        """
        if isinstance(record, Unreadable):
            return self._bury_unreadable(record)
        if refusal := _wrong_channel(record):
            return self._refuse(record, refusal)
        try:
            if earlier := self.earlier.get(record.key):
                self._reply_again(record, earlier)
            else:
                self._decide(record)
        except (WrongHolder, WrittenByNewerRelease):
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, the other records must not suffer from it
            facts = {"command_id": record.id, "correlation_id": record.correlation}
            self.incidents.append(Incident("command_not_decided", facts, fault))
            self.bury(record, fault)
        return None

    def bury(self, record: Received | Unreadable, fault: Exception) -> None:
        """Make a dead letter of a record that we failed on; its id is not used up."""
        if isinstance(record, Unreadable):
            return self._bury_unreadable(record)
        time = self.moments.time(record.record)
        self.entries.append(replies.dead_letter(record.record, "FAULT", repr(fault), time, answered=True))
        return self._refuse(record, refuse("INTERNAL_FAULT"))

    def _decide(self, record: Received) -> None:
        command = record.command
        stream = self.streams.get(command.invoice_number, NEVER_SEEN)
        if stream.broken:
            raise stream.broken
        decision = decide(stream.state, self.claims, command, self.moments.of(record))
        if isinstance(decision, Refusal):
            return self._refuse(record, decision, stream)
        return self._append(record, stream, decision)

    def _append(self, record: Received, stream: Stream, events: Sequence[AnyInvoiceEvent]) -> None:
        state, version = stream.state, stream.version
        entries: list[EventEntry] = []
        changes = []
        for event in events:
            version += 1
            changes += claim_changes(state, event)
            state = evolve(state, event)
            entries.append(replies.event_entry(record, event, version))
        reply = replies.accepted(record, entries, version, status_of(cast("Invoice", state)))
        entry = replies.reply_entry(record, reply, self.moments.time(record.record), final=True)
        if not all(map(replies.fits, (*entries, entry))):
            msg = "an event or the reply is too large to be published"
            raise Unpublishable(msg)
        self.claims.apply(changes)
        self.streams[record.command.invoice_number] = Stream(state, version)
        self.entries += entries
        self._keep(reply, entry)

    def _refuse(self, record: Received, refusal: Refusal, stream: Stream = NEVER_SEEN) -> None:
        reply = replies.refused(record, refusal, _version_shown(record, refusal, stream))
        self._reply(record, reply, final=KINDS[refusal.code].final)

    def _reply_again(self, record: Received, earlier: EarlierReply) -> None:
        if earlier.digest != record.digest:
            return self._refuse(record, refuse("IDEMPOTENCY_KEY_REUSED", id=record.id, source=record.source))
        first = read_reply(earlier.name, earlier.value)
        return self._reply(record, first.model_copy(update={"replayed": True}), final=False)

    def _bury_unreadable(self, unreadable: Unreadable) -> None:
        reply = replies.malformed(unreadable)
        time, error = self.moments.time(unreadable.record), replies.sum_up(unreadable.faults)
        answered = reply is not None
        self.entries.append(replies.dead_letter(unreadable.record, unreadable.reason, error, time, answered=answered))
        if reply is not None:
            self._reply(unreadable, reply, final=False)

    def _reply(self, record: Received | Unreadable, reply: AnyReply, *, final: bool) -> None:
        """Keep a reply; in the place of one that is too large, another that says so and uses no id up."""
        time = self.moments.time(record.record)
        entry = replies.reply_entry(record, reply, time, final=final)
        if not replies.fits(entry):
            facts = {"command_id": reply.command_id, "command": reply.command_type}
            self.incidents.append(Incident("reply_too_large", facts))
            reply = replies.too_large(reply)
            entry = replies.reply_entry(record, reply, time, final=False)
        self._keep(reply, entry)

    def _keep(self, reply: AnyReply, entry: ReplyEntry) -> None:
        if entry.command_key and entry.digest:
            self.earlier[entry.command_key] = EarlierReply(entry.digest, entry.name, entry.value)
        self.entries.append(entry)
        self.replies.append((reply, entry.correlation))


def _version_shown(record: Received, refusal: Refusal, stream: Stream) -> int | None:
    """Return the version of an invoice that exists and is the caller's; billing names the account it means."""
    if stream.state is None or not KINDS[refusal.code].tells_version:
        return None
    account: JsonValue = getattr(record.command, "account_id", stream.state.account_id)
    return stream.version if account == stream.state.account_id else None


def _wrong_channel(record: Received) -> Refusal | None:
    channel = record.command.CHANNEL.value
    if record.record.topic == channel:
        return None
    return refuse("WRONG_CHANNEL", expected=channel, topic=record.record.topic)
