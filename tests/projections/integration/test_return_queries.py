"""Which returns are open and what they wait for, on a real database."""

from datetime import datetime, timedelta

import httpx

from events.invoice_events import AnyInvoiceEvent
from tests.projections.support import facts
from tests.projections.support.asked import DUE, NUMBERS, STORY, get, invoice, numbers, of, project
from transport.addresses import Addresses


def on_its_way(number: str, *, due: datetime = DUE, account: str = facts.ACCOUNT) -> list[AnyInvoiceEvent]:
    """An invoice and its return, which is due then."""
    asked = facts.requested_simply(return_id=f"return of {number}", due_latest=due.isoformat())
    return [invoice(number, account=account), *of(number, asked, account=account)]


async def test_a_return_is_open_until_it_is_refused_or_has_its_credit_note(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    project(
        tables,
        STORY[:3],
        [*on_its_way(NUMBERS[0]), *of(NUMBERS[0], facts.confirmed(return_id=f"return of {NUMBERS[0]}"))],
        [*on_its_way(NUMBERS[1]), *of(NUMBERS[1], facts.refused(return_id=f"return of {NUMBERS[1]}"))],
        [*of(NUMBERS[2], *STORY[:5])],
        [*of(NUMBERS[3], *STORY)],
    )
    phases = {item["invoice_number"]: item["phase"] for item in (await get(client, "/returns"))["items"]}
    assert phases == {facts.NUMBER: "verifying_form", NUMBERS[0]: "issuing_credit_note"}


async def test_pages_of_returns_go_from_the_most_urgent_to_the_least_and_cover_them_once(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    due = {f"26{index:018d}": DUE + timedelta(days=index * 5 % 4) for index in range(1, 12)}
    project(tables, *(on_its_way(number, due=at) for number, at in due.items()))
    first = await get(client, "/returns", limit=5)
    second = await get(client, "/returns", limit=5, cursor=first["next_cursor"])
    third = await get(client, "/returns", limit=5, cursor=second["next_cursor"])
    assert [*numbers(first), *numbers(second), *numbers(third)] == sorted(due, key=lambda number: (due[number], number))
    assert "next_cursor" not in third


async def test_returns_are_asked_for_by_phase_by_account_and_by_what_is_overdue(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    late, confirmed, strangers = NUMBERS[:3]
    project(
        tables,
        [*on_its_way(late), *of(late, facts.overdue(return_id=f"return of {late}"))],
        [*on_its_way(confirmed), *of(confirmed, facts.confirmed(return_id=f"return of {confirmed}"))],
        on_its_way(strangers, account="other"),
    )
    assert numbers(await get(client, "/returns", overdue="true")) == [late]
    assert numbers(await get(client, "/returns", overdue="false", account_id=facts.ACCOUNT)) == [confirmed]
    assert numbers(await get(client, "/returns", phase="issuing_credit_note")) == [confirmed]
    assert numbers(await get(client, "/returns", phase="opening_form", account_id="other")) == [strangers]
    assert numbers(await get(client, "/returns", phase="opening_form", overdue="true", account_id="other")) == []


async def test_a_return_says_what_failed_last_and_when_it_is_tried_again(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    project(tables, [*STORY[:3], facts.attempt_failed(occurred_at=facts.START + timedelta(hours=3))])
    (item,) = (await get(client, "/returns"))["items"]
    assert (item["return_id"], item["route"], item["attempts"], item["failure"]) == ("r1", "form", 1, "TIMEOUT")
    assert datetime.fromisoformat(item["retry_at"]) == facts.START
    assert datetime.fromisoformat(item["due_latest"]) == DUE
