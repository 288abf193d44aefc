"""The table of claims: conditional statements, so that of two who want the same one wins."""

from collections.abc import Collection, Sequence
from typing import LiteralString

from psycopg import Cursor
from psycopg.rows import TupleRow

from service.invoice.claims import Claim, ClaimChange, Holder
from transport.arrays import BinaryArray, binary_array


class ClaimLost(Exception):
    """A claim changed hands since it was seen."""


def load_claims(
    cur: Cursor[TupleRow], claims: Collection[Claim], holds: Collection[tuple[str, str]]
) -> dict[Claim, Holder]:
    """Return who holds these claims, and all that is held for these (invoice number, reissue id)."""
    if not claims and not holds:
        return {}
    wanted, held = sorted(claims), sorted(holds)
    cur.execute(
        _CLAIMS,
        (
            binary_array("text", [claim.kind for claim in wanted]),
            binary_array("text", [claim.key for claim in wanted]),
            binary_array("text", [number for number, _ in held]),
            binary_array("text", [reissue_id for _, reissue_id in held]),
        ),
    )
    return {Claim(kind, key): Holder(*holder) for kind, key, *holder in cur.fetchall()}


_CLAIMS: LiteralString = """
    select kind, key, invoice_number, account_id, reissue_id, released from redletter.claims
    join unnest(%s::text[], %s::text[]) as wanted (kind, key) using (kind, key)
    union
    select kind, key, c.invoice_number, account_id, c.reissue_id, released from redletter.claims as c
    join unnest(%s::text[], %s::text[]) as held (invoice_number, reissue_id)
      on c.invoice_number = held.invoice_number and c.reissue_id = held.reissue_id
"""


def invoices_of(cur: Cursor[TupleRow], account_id: str) -> list[str]:
    """Return the numbers of an account's invoices."""
    return [number for (number,) in cur.execute(_INVOICES, (account_id,))]


_INVOICES: LiteralString = """
    select key from redletter.claims where kind = 'document' and account_id = %s and key = invoice_number order by key
"""


def apply(cur: Cursor[TupleRow], changes: Sequence[ClaimChange]) -> None:
    """Take, free and pass on claims, each from the holder that was seen.

    Raises: ClaimLost when another transaction has taken or freed one.
    """
    taken = [change for change in changes if change.was is None]
    freed = [change for change in changes if change.now is None]
    passed = [change for change in changes if change.was is not None and change.now is not None]
    steps: tuple[tuple[LiteralString, list[ClaimChange]], ...] = ((_FREE, freed), (_HAND_OVER, passed), (_TAKE, taken))
    for statement, some in steps:
        if some:
            cur.execute(statement, _claim_columns(some))
            if len(cur.fetchall()) != len(some):
                msg = "a claim changed hands"
                raise ClaimLost(msg)


def _claim_columns(changes: Sequence[ClaimChange]) -> dict[str, BinaryArray]:
    nobody = Holder("", "")
    was = [change.was or nobody for change in changes]
    now = [change.now or nobody for change in changes]
    return {
        "kinds": binary_array("text", [change.claim.kind for change in changes]),
        "keys": binary_array("text", [change.claim.key for change in changes]),
        "was_invoices": binary_array("text", [holder.invoice_number for holder in was]),
        "was_reissues": binary_array("text", [holder.reissue_id for holder in was]),
        "was_released": binary_array("bool", [holder.released for holder in was]),
        "now_invoices": binary_array("text", [holder.invoice_number for holder in now]),
        "now_accounts": binary_array("text", [holder.account_id for holder in now]),
        "now_reissues": binary_array("text", [holder.reissue_id for holder in now]),
        "now_released": binary_array("bool", [holder.released for holder in now]),
    }


_TAKE: LiteralString = """
    insert into redletter.claims (kind, key, invoice_number, account_id, reissue_id, released)
    select * from unnest(%(kinds)s::text[], %(keys)s::text[], %(now_invoices)s::text[], %(now_accounts)s::text[],
        %(now_reissues)s::text[], %(now_released)s::bool[])
    on conflict do nothing returning 1
"""
_FREE: LiteralString = """
    delete from redletter.claims as c
    using unnest(%(kinds)s::text[], %(keys)s::text[], %(was_invoices)s::text[], %(was_reissues)s::text[],
        %(was_released)s::bool[]) as f (kind, key, invoice_number, reissue_id, released)
    where c.kind = f.kind and c.key = f.key and c.invoice_number = f.invoice_number
      and c.reissue_id is not distinct from f.reissue_id and c.released = f.released
    returning 1
"""
_HAND_OVER: LiteralString = """
    update redletter.claims as c
    set invoice_number = p.now_invoice, account_id = p.now_account, reissue_id = p.now_reissue,
        released = p.now_released
    from unnest(%(kinds)s::text[], %(keys)s::text[], %(was_invoices)s::text[], %(was_reissues)s::text[],
        %(was_released)s::bool[], %(now_invoices)s::text[], %(now_accounts)s::text[], %(now_reissues)s::text[],
        %(now_released)s::bool[])
        as p (kind, key, was_invoice, was_reissue, was_released, now_invoice, now_account, now_reissue, now_released)
    where c.kind = p.kind and c.key = p.key and c.invoice_number = p.was_invoice
      and c.reissue_id is not distinct from p.was_reissue and c.released = p.was_released
    returning 1
"""
