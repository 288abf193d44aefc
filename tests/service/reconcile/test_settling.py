"""Who holds a claim after events of several invoices follows from the events, in whatever order they are found."""

from datetime import timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from service.invoice.claims import Claim, ClaimChange, Holder
from service.reconcile.settling import DatedChange, settle
from tests.service.support.rows import AT

FORM, CHARGE = Claim("form", "33"), Claim("charge", "c")
HOLDERS = [Holder(f"26{index:018d}", "account") for index in range(4)]


def passing(claim: Claim, holders: list[Holder | None]) -> list[ClaimChange]:
    """Return the changes by which a claim goes from each holder to the next."""
    return [ClaimChange(claim, was, now) for was, now in pairwise(holders) if was != now]


@given(st.lists(st.none() | st.sampled_from(HOLDERS), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_last_holder_has_a_claim_in_whatever_order_events_are(holders: list[Holder | None], rng: Random) -> None:
    changes = passing(FORM, holders)
    times = [AT + timedelta(seconds=index) for index in range(len(changes))]
    rng.shuffle(times)
    on_record = {FORM: holders[0]} if holders[0] else {}
    settled = settle(on_record, map(DatedChange, times, changes))
    assert settled.disputed == []
    wanted = [] if holders[0] == holders[-1] else [ClaimChange(FORM, holders[0], holders[-1])]
    assert settled.changes == wanted


def test_a_charge_that_nobody_holds_goes_back_to_the_account_of_who_let_it_go_last() -> None:
    first, second = HOLDERS[0], Holder(HOLDERS[1].invoice_number, "account")
    changes = passing(CHARGE, [None, first, None, second, None])
    dated = [DatedChange(AT + timedelta(seconds=index), change) for index, change in enumerate(changes)]
    (change,) = settle({}, dated).changes
    assert change == ClaimChange(CHARGE, None, Holder(second.invoice_number, "account", released=True))


def test_where_the_event_that_freed_a_claim_was_lost_the_later_holder_has_it_and_both_are_named() -> None:
    earlier, later = HOLDERS[:2]
    settled = settle({CHARGE: earlier}, [DatedChange(AT, ClaimChange(CHARGE, None, later))])
    assert settled.changes == [ClaimChange(CHARGE, earlier, later)]
    assert settled.disputed == [(CHARGE, later, earlier)]


def test_a_charge_that_was_free_is_taken_from_who_released_it() -> None:
    row = Holder(HOLDERS[0].invoice_number, "account", released=True)
    settled = settle({CHARGE: row}, [DatedChange(AT, ClaimChange(CHARGE, None, HOLDERS[1]))])
    assert settled.changes == [ClaimChange(CHARGE, row, HOLDERS[1])]
