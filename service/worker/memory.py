"""What a batch is decided on: earlier replies, invoices, the claims that its commands bear on, and who waits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from service.invoice.claim_overlay import Overlay
from service.invoice.claims import ClaimChange
from service.invoice.state import Invoice
from service.log.entries import EarlierReply, ReplyEntry
from service.log.parking import Queue
from service.worker.sealing import Keys


@dataclass(frozen=True, slots=True)
class Stream:
    """An invoice as its events say, and how many they are. broken: its events could not be read."""

    state: Invoice | None
    version: int
    broken: Exception | None = None


NEVER_SEEN = Stream(None, 0)


@dataclass(frozen=True, slots=True)
class Memory:
    """As loaded, and then as the answer to each record leaves it.

    queues: of the parked invoices that its commands name, or in which one of their ids waits. keys: under which texts
    of its invoices are sealed.
    """

    streams: dict[str, Stream]
    earlier: dict[UUID, EarlierReply]
    claims: Overlay
    queues: dict[str, Queue] = field(default_factory=dict[str, Queue])
    keys: Keys = field(default_factory=Keys)

    def stream(self, number: str) -> Stream:
        """Return an invoice; one that has no events yet was never seen."""
        return self.streams.get(number, NEVER_SEEN)

    def waits_elsewhere(self, key: UUID, number: str) -> bool:
        """Return whether a command of another invoice waits under this idempotency key."""
        return any(key in queue.keys for parked, queue in self.queues.items() if parked != number)

    def keep_decision(self, number: str, state: Invoice, version: int, claims: Sequence[ClaimChange]) -> None:
        """Let the next commands see what one led to.

        Raises: WrongHolder when what was loaded does not fit together, since a rival wrote in between.
        """
        self.claims.apply(claims)
        self.streams[number] = Stream(state, version)

    def keep_reply(self, entry: ReplyEntry) -> None:
        """Let a repeat of a command see the final reply to it."""
        if entry.command_key and entry.digest:
            self.earlier[entry.command_key] = EarlierReply(entry.digest, entry.name, entry.value)

    def grown(self) -> dict[str, Queue]:
        """Return the queues that commands have been added to."""
        return {number: queue for number, queue in self.queues.items() if queue.added}
