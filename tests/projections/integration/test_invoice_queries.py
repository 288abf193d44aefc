"""What the list shows, and what an invoice's history and past were, on a real database."""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from events.invoice_events import AnyInvoiceEvent
from projections.catalogue import MODELS
from projections.engine.projection import Projection
from tests.projections.support import facts, naive
from tests.projections.support.asked import NUMBERS, PARTITION, STORY, get, invoice, numbers, of, project
from tests.projections.support.published import event_id, message, record
from transport.addresses import Addresses
from transport.batch import Batch


def listed() -> list[list[AnyInvoiceEvent]]:
    """Five invoices of two accounts on three days; the second one is being returned."""
    first, second, third, fourth, fifth = NUMBERS
    return [
        [invoice(first, day=1)],
        [invoice(second, day=2), *of(second, facts.requested_simply())],
        [invoice(third, day=2, account="acct-2")],
        [invoice(fourth, day=3)],
        [invoice(fifth, day=3)],
    ]


async def test_the_list_shows_the_newest_first_with_what_may_be_done(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    project(tables, *listed())
    page = await get(client, "/invoices")
    assert numbers(page) == [NUMBERS[4], NUMBERS[3], NUMBERS[2], NUMBERS[1], NUMBERS[0]]
    assert "next_cursor" not in page
    assert page["items"][3] == {
        "invoice_number": NUMBERS[1],
        "account_id": facts.ACCOUNT,
        "kind": "special",
        "issued_on": "2026-03-02",
        "status": {"code": "return_in_progress", "label": "Return in progress"},
        "posting_status": "unknown",
        "buyer": {"name": "杭州某公司", "tax_id": "91330100111111111X"},
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
        "actions": ["details"],
        "due_latest": "2026-02-25T23:59:59+08:00",
        "overdue": False,
    }
    assert page["count"] == {"value": 5, "exact": True}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"account_id": "acct-2"}, [2]),
        ({"account_id": "nobody"}, []),
        ({"status": "return_in_progress"}, [1]),
        ({"status": "issued", "account_id": facts.ACCOUNT}, [4, 3, 0]),
        ({"q": NUMBERS[2]}, [2]),
        ({"q": NUMBERS[2], "account_id": facts.ACCOUNT}, []),
        ({"q": "2632"}, [4, 2]),
        ({"q": "0001"}, [4, 0]),
        ({"q": "0001", "status": "returned"}, []),
        ({"q": "2631", "account_id": facts.ACCOUNT, "status": "issued"}, [3, 0]),
        ({"q": "9999"}, []),
    ],
)
async def test_filters_and_search_narrow_the_list(
    tables: Addresses, client: httpx.AsyncClient, asked: dict[str, str], found: list[int]
) -> None:
    project(tables, *listed())
    assert numbers(await get(client, "/invoices", **asked)) == [NUMBERS[index] for index in found]


@pytest.mark.parametrize("asked", [{}, {"q": "0000"}, {"account_id": facts.ACCOUNT}])
async def test_pages_cover_the_list_once_also_when_invoices_come_in_between(
    tables: Addresses, client: httpx.AsyncClient, asked: dict[str, str]
) -> None:
    many = [f"26{index % 3:02d}{index:012d}0000" for index in range(1, 24)]
    project(tables, *([invoice(number, day=1 + index % 5)] for index, number in enumerate(many)))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for at in range(100):
        page = await get(client, "/invoices", limit=4, **asked, **cursor)
        seen += numbers(page)
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
        if at == 1:
            later = f"2699{at:012d}0000"
            _add(tables, [invoice(later, day=28)], offset=len(many))
    assert sorted(seen) == sorted(many)
    assert len(set(seen)) == len(seen)


def _add(tables: Addresses, stream: Sequence[AnyInvoiceEvent], offset: int) -> None:
    entry = MODELS["invoices"]
    records = [record(message(event, version), offset + version - 1) for version, event in enumerate(stream, 1)]
    with closing(Projection(tables.database, consumer=entry.consumer, model=entry.make())) as projection:
        projection.handle(Batch(records, {PARTITION: offset}))


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/invoices", {"q": "123"}),
        ("/invoices", {"q": "12a4"}),
        ("/invoices", {"limit": "0"}),
        ("/invoices", {"limit": "201"}),
        ("/invoices", {"status": "lost"}),
        ("/invoices", {"cursor": "nonsense"}),
        ("/invoices", {"cursor": "é"}),
        ("/invoices", {"state": "issued"}),
        ("/charges", {"state": "replaced"}),
        ("/charges", {"cursor": "!"}),
        ("/returns", {"phase": "complete"}),
        ("/returns", {"overdue": "perhaps"}),
        ("/returns", {"limit": "0"}),
        ("/returns", {"cursor": "!"}),
        ("/returns", {"due": "today"}),
        (f"/invoices/{facts.NUMBER}/status", {"as_of": "yesterday"}),
        (f"/invoices/{facts.NUMBER}/status", {"as_of": "2026-02-13T00:00:00"}),
        (f"/invoices/{facts.NUMBER}/history", {"wait": "31"}),
        (f"/red-font-forms/{facts.FORM}", {"account": "x"}),
    ],
)
async def test_a_bad_parameter_is_reported_by_name(client: httpx.AsyncClient, path: str, asked: dict[str, str]) -> None:
    answer = await client.get(path, params=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_QUERY")
    assert [fault["field"] for fault in answer.json()["faults"]] == list(asked)


async def test_history_shows_every_event_as_it_was_published(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, STORY)
    events = (await get(client, f"/invoices/{facts.NUMBER}/history"))["events"]
    assert [event["version"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[2] == {
        "id": event_id(facts.NUMBER, 3),
        "type": "redletter.invoice.ReturnRequested.v1",
        "version": 3,
        "occurred_at": STORY[2].occurred_at.isoformat(),
        "causation_id": "the command's id",
        "correlation_id": f"correlation of {facts.NUMBER}",
        "data": STORY[2].model_dump(mode="json", exclude_none=True),
    }
    assert (await client.get(f"/invoices/{facts.NUMBER}/history?account_id=other")).status_code == 404


@pytest.mark.parametrize("seen", range(1, len(STORY) + 1))
async def test_the_past_is_answered_as_it_was(tables: Addresses, client: httpx.AsyncClient, seen: int) -> None:
    project(tables, STORY)
    moment = (STORY[seen - 1].occurred_at + timedelta(minutes=30)).isoformat()
    then = naive.status_document(STORY[:seen])
    assert await get(client, f"/invoices/{facts.NUMBER}/status", as_of=moment) == then
    details = await get(client, f"/invoices/{facts.NUMBER}", as_of=moment)
    assert (details["status"], details["version"]) == (then, seen)


async def test_an_invoice_that_was_not_issued_yet_is_not_found(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, STORY)
    before = (STORY[0].occurred_at - timedelta(seconds=1)).isoformat()
    answer = await client.get(f"/invoices/{facts.NUMBER}/status", params={"as_of": before})
    assert (answer.status_code, answer.json()["code"]) == (404, "INVOICE_NOT_FOUND")


async def test_who_has_an_answer_already_is_not_sent_it_again(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, STORY[:3])
    for path in (f"/invoices/{facts.NUMBER}/status", f"/invoices/{facts.NUMBER}", "/invoices", "/charges", "/returns"):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["etag"] == first.headers["etag"]
