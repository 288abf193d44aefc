"""Where charges stand, by account and state, on a real database."""

from datetime import timedelta

import httpx
import pytest

from events.invoice_events import AnyInvoiceEvent
from tests.projections.support import facts
from tests.projections.support.asked import STORY, get, invoice, of, project
from transport.addresses import Addresses


def chain() -> tuple[list[AnyInvoiceEvent], list[AnyInvoiceEvent]]:
    """An original whose charge moved to a replacement, which was itself returned."""
    original: list[AnyInvoiceEvent] = [*STORY, facts.reissue_requested(), facts.replaced()]
    replacement: list[AnyInvoiceEvent] = [
        invoice(facts.REPLACEMENT, charge="c1"),
        *of(facts.REPLACEMENT, facts.requested_simply(return_id="r2"), facts.confirmed(return_id="r2")),
        *of(
            facts.REPLACEMENT,
            facts.credited(return_id="r2", released_charge_ids=("c1",), occurred_at=facts.START + timedelta(days=9)),
        ),
    ]
    return original, replacement


@pytest.mark.parametrize(
    ("seen", "state", "where"),
    [
        ((1, 0), "invoiced", facts.NUMBER),
        ((5, 0), "released", facts.NUMBER),
        ((7, 0), "reissue_pending", facts.NUMBER),
        ((7, 1), "invoiced", facts.REPLACEMENT),
        ((8, 1), "invoiced", facts.REPLACEMENT),
        ((7, 4), "reissue_pending", facts.NUMBER),
        ((8, 4), "released", facts.REPLACEMENT),
    ],
)
async def test_a_charge_stands_where_it_went_last(
    tables: Addresses, client: httpx.AsyncClient, seen: tuple[int, int], state: str, where: str
) -> None:
    """Seen: how many events of the original, and of the replacement."""
    original, replacement = chain()
    project(tables, original[: seen[0]], replacement[: seen[1]])
    (charge,) = (await get(client, "/charges", account_id=facts.ACCOUNT))["items"]
    assert (charge["state"], charge["invoice_number"], charge["amount"]) == (state, where, "106.00")
    assert ("reissue_id" in charge) == (state == "reissue_pending")
    assert (await get(client, "/charges", state=state))["items"] == [charge]
    for other in {"invoiced", "released", "reissue_pending"} - {state}:
        assert (await get(client, "/charges", state=other))["items"] == []
    assert (await get(client, "/charges", account_id="other"))["items"] == []


async def test_pages_of_charges_cover_them_once(tables: Addresses, client: httpx.AsyncClient) -> None:
    many = [f"26{index:018d}" for index in range(1, 12)]
    project(tables, *([invoice(number)] for number in many))
    first = await get(client, "/charges", limit=5)
    second = await get(client, "/charges", limit=5, cursor=first["next_cursor"])
    third = await get(client, "/charges", limit=5, cursor=second["next_cursor"])
    ids = [charge["charge_id"] for page in (first, second, third) for charge in page["items"]]
    assert ids == sorted(f"of {number}" for number in many)
    assert "next_cursor" not in third
