"""Claims: what must be unique over all invoices. A form, a document number or a charge serves one invoice.

They are the one thing that crosses invoices. The store writes their changes in the transaction of the events, each from
the holder that was seen.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol


class Claim(NamedTuple):
    """Something that has one holder. Invoice and credit note numbers are both documents: one set."""

    kind: Literal["form", "document", "charge"]
    key: str


class Holder(NamedTuple):
    """The invoice that has a claim; with a reissue_id it is a hold on a charge, for a replacement to take over.

    released: a charge that is free, as this invoice left it; it goes back to no other account.
    """

    invoice_number: str
    account_id: str
    reissue_id: str | None = None
    released: bool = False


def form_claim(number: str) -> Claim:
    """Return the claim on a form number."""
    return Claim("form", number)


def document_claim(number: str) -> Claim:
    """Return the claim on an invoice or credit note number."""
    return Claim("document", number)


def charge_claims(charge_ids: Iterable[str]) -> frozenset[Claim]:
    """Return the claims on charges."""
    return frozenset(Claim("charge", charge_id) for charge_id in charge_ids)


def used_form_facts(number: str, holder: Holder, account_id: str) -> dict[str, str]:
    """Return the facts of a form that serves another invoice, which is named to its own account only."""
    own = {"invoice_number": holder.invoice_number} if holder.account_id == account_id else {}
    return {"form_number": number, **own}


class ClaimChange(NamedTuple):
    """A claim that changes hands. Nobody holds it before when ``was`` is None, nor after when ``now`` is None.

    Of what a batch changes (``net``), both are as on record: a charge that nobody holds keeps who released it.
    """

    claim: Claim
    was: Holder | None
    now: Holder | None


class Claims(Protocol):
    """Who holds what, as a decision sees it."""

    def holder(self, claim: Claim) -> Holder | None:
        """Return who holds a claim."""
        ...

    def released_by(self, claim: Claim) -> Holder | None:
        """Return the invoice that let a charge go which nobody holds since."""
        ...

    def held_by(self, holder: Holder) -> frozenset[str]:
        """Return the charge ids of a hold; none when there is no such hold."""
        ...
