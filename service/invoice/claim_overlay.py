"""Claims as a batch changes them, on top of what was loaded."""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter

from service.invoice.claims import Claim, ClaimChange, Claims, Holder


class WrongHolder(Exception):
    """A change starts from another holder than the one on record: a rival wrote in between, or a rule is wrong."""

    def __init__(self, change: ClaimChange, holder: Holder | None) -> None:
        super().__init__(f"{change.claim} is held by {holder}, not by {change.was}")


class Overlay(Claims):
    """Loaded claims with the changes of a batch on top: each command sees what those before it left."""

    def __init__(self, rows: Mapping[Claim, Holder]) -> None:
        self._loaded = rows
        self._touched: dict[Claim, Holder | None] = {}
        self._holds: dict[Holder, set[str]] = {}
        for claim, holder in rows.items():
            self._index(claim, None, holder)

    def holder(self, claim: Claim) -> Holder | None:
        """Return who holds a claim now."""
        row = self._row(claim)
        return None if row is None or row.released else row

    def released_by(self, claim: Claim) -> Holder | None:
        """Return the invoice that let a charge go which nobody holds now."""
        row = self._row(claim)
        return row if row is not None and row.released else None

    def held_by(self, holder: Holder) -> frozenset[str]:
        """Return the charge ids of a hold as it is now."""
        return frozenset(self._holds.get(holder, ()))

    def apply(self, changes: Iterable[ClaimChange]) -> None:
        """Let claims change hands; each at most once in ``changes``.

        Nothing changes where an invoice lets go of what another one holds: both believed to hold it, or the decision
        was made on an old state of the invoice, and cannot be written. Raises: WrongHolder, and then none has changed
        hands.
        """
        changes = [change for change in changes if not self._is_of_another(change)]
        for change in changes:
            if self.holder(change.claim) != change.was:
                raise WrongHolder(change, self.holder(change.claim))
        for change in changes:
            self._touched[change.claim] = change.now or _left(change)
            self._index(change.claim, change.was, change.now)

    def net(self) -> list[ClaimChange]:
        """Return what has changed since the claims were loaded, sorted by claim; what came back is left out."""
        return sorted(self._net(), key=attrgetter("claim"))

    def _is_of_another(self, change: ClaimChange) -> bool:
        """Return whether a claim is let go of that another invoice holds."""
        holder, was = self.holder(change.claim), change.was
        return change.now is None and bool(holder and was and holder.invoice_number != was.invoice_number)

    def _row(self, claim: Claim) -> Holder | None:
        return self._touched[claim] if claim in self._touched else self._loaded.get(claim)

    def _net(self) -> Iterator[ClaimChange]:
        for claim, now in self._touched.items():
            was = self._loaded.get(claim)
            if was != now:
                yield ClaimChange(claim, was, now)

    def _index(self, claim: Claim, was: Holder | None, now: Holder | None) -> None:
        if was is not None and was.reissue_id is not None:
            self._holds[was].discard(claim.key)
        if now is not None and now.reissue_id is not None:
            self._holds.setdefault(now, set()).add(claim.key)


def _left(change: ClaimChange) -> Holder | None:
    """Return what stays on record of a claim that was let go: of a charge, whose it was."""
    if change.claim.kind != "charge" or change.was is None:
        return None
    return Holder(change.was.invoice_number, change.was.account_id, released=True)
