"""Who holds a claim after events of several invoices, whose order among each other is not known. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from service.invoice.claims import Claim, ClaimChange, Holder


class DatedChange(NamedTuple):
    """A change of a claim, and when its event occurred."""

    at: datetime
    change: ClaimChange


class Settled(NamedTuple):
    """Changes of what is on record, and the claims that two invoices believe to hold, the later one first."""

    changes: list[ClaimChange]
    disputed: list[tuple[Claim, Holder, Holder]]


def settle(on_record: Mapping[Claim, Holder], changes: Iterable[DatedChange]) -> Settled:
    """Let claims change hands as events say, whatever order these come in.

    Every change takes a claim from one holder to another, so that the last holder is the one that it came to once more
    often than it left. Two of them are left where the event that freed the claim in between was lost; the later one
    has it.
    """
    by_claim: dict[Claim, list[DatedChange]] = defaultdict(list)
    for one in changes:
        by_claim[one.change.claim].append(one)
    settled = Settled([], [])
    for claim, some in sorted(by_claim.items()):
        some.sort(key=lambda one: one.at)
        row = on_record.get(claim)
        start = None if row is None or row.released else row
        last, *others = _ends(start, [one.change for one in some])
        settled.disputed.extend((claim, last, other) for other in others if last and other)
        now = last or _left(claim, [one.change for one in some], row)
        if now != row:
            settled.changes.append(ClaimChange(claim, row, now))
    return settled


def _ends(start: Holder | None, changes: list[ClaimChange]) -> list[Holder | None]:
    """Return whom the claim came to more often than it left, the one that it came to last first."""
    times = Counter([start])
    came_at: dict[Holder | None, int] = {start: -1}
    for index, change in enumerate(changes):
        times[change.now] += 1
        times[change.was] -= 1
        came_at[change.now] = index
    return sorted((one for one, count in times.items() if count > 0), key=lambda one: came_at[one], reverse=True)


def _left(claim: Claim, changes: list[ClaimChange], row: Holder | None) -> Holder | None:
    """Return what stays on record of a claim that nobody holds: of a charge, who let it go last."""
    if claim.kind != "charge":
        return None
    released = [change.was for change in changes if change.now is None and change.was]
    return Holder(released[-1].invoice_number, released[-1].account_id, released=True) if released else row
