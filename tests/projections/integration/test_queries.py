"""What the list, charges, forms, history and the past answer, on a real database."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition

from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC
from events.values import Charge
from projections.catalogue import MODELS
from projections.engine.projection import Projection
from tests.projections.support import facts, naive
from tests.projections.support.published import event_id, message, record
from transport.addresses import Addresses
from transport.batch import Batch
from web import app as api

PARTITION = TopicPartition(EVENTS_TOPIC, 0)
TOLD = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())
STORY = tuple(event.model_copy(update=facts.common(hour=hour)) for hour, event in enumerate(TOLD))
"""An invoice and its return, an hour between two events."""


def project(tables: Addresses, *streams: Sequence[AnyInvoiceEvent]) -> None:
    """Let every read model see these invoices, in two batches."""
    published = [message(event, version) for stream in streams for version, event in enumerate(stream, 1)]
    records = [record(one, offset) for offset, one in enumerate(published)]
    middle = len(records) // 2
    for entry in MODELS.values():
        if entry.topic != EVENTS_TOPIC:
            continue
        with closing(Projection(tables.database, consumer=entry.consumer, model=entry.make())) as projection:
            projection.positions([PARTITION])
            for part in (records[:middle], records[middle:]):
                if part:
                    projection.handle(Batch(part, {PARTITION: part[0].offset}))


@pytest.fixture
async def client(tables: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    app = api.build(tables)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://redletter") as client,
    ):
        yield client


def invoice(number: str, *, day: int = 1, account: str = facts.ACCOUNT, charge: str | None = None) -> AnyInvoiceEvent:
    charges = (Charge(charge_id=charge or f"of {number}", amount=facts.issued().total_amount),)
    own = {"invoice_number": number, "account_id": account, "issued_on": date(2026, 3, day), "charges": charges}
    return facts.issued(**own)


def of(number: str, *events: AnyInvoiceEvent, account: str = facts.ACCOUNT) -> list[AnyInvoiceEvent]:
    return [event.model_copy(update={"invoice_number": number, "account_id": account}) for event in events]


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(path, params=params)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()


def numbers(page: dict[str, Any]) -> list[str]:
    return [item["invoice_number"] for item in page["items"]]


DUE = datetime.fromisoformat("2026-02-25T23:59:59+08:00")
LIST = [f"26{place:02d}{index:016d}" for place, index in ((31, 1), (31, 2), (32, 3), (31, 4), (32, 10001))]


def listed() -> list[list[AnyInvoiceEvent]]:
    """Five invoices of two accounts on three days; the second one is being returned."""
    first, second, third, fourth, fifth = LIST
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
    assert numbers(page) == [LIST[4], LIST[3], LIST[2], LIST[1], LIST[0]]
    assert "next_cursor" not in page
    assert page["items"][3] == {
        "invoice_number": LIST[1],
        "account_id": facts.ACCOUNT,
        "kind": "special",
        "issued_on": "2026-03-02",
        "status": {"code": "return_in_progress", "label": "Return in progress"},
        "posting_status": "unknown",
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
        "actions": ["details"],
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"account_id": "acct-2"}, [2]),
        ({"account_id": "nobody"}, []),
        ({"status": "return_in_progress"}, [1]),
        ({"status": "issued", "account_id": facts.ACCOUNT}, [4, 3, 0]),
        ({"q": LIST[2]}, [2]),
        ({"q": LIST[2], "account_id": facts.ACCOUNT}, []),
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
    assert numbers(await get(client, "/invoices", **asked)) == [LIST[index] for index in found]


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


def chain() -> tuple[list[AnyInvoiceEvent], list[AnyInvoiceEvent]]:
    """An original whose charge went on to a replacement, which was itself returned."""
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
        [*on_its_way(LIST[0]), *of(LIST[0], facts.confirmed(return_id=f"return of {LIST[0]}"))],
        [*on_its_way(LIST[1]), *of(LIST[1], facts.refused(return_id=f"return of {LIST[1]}"))],
        [*of(LIST[2], *STORY[:5])],
        [*of(LIST[3], *STORY)],
    )
    phases = {item["invoice_number"]: item["phase"] for item in (await get(client, "/returns"))["items"]}
    assert phases == {facts.NUMBER: "verifying_form", LIST[0]: "issuing_credit_note"}


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
    late, confirmed, strangers = LIST[:3]
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


async def test_a_form_names_the_invoice_that_it_serves(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, STORY[:3])
    path = f"/red-font-forms/{facts.FORM}"
    assert await get(client, path) == {"number": facts.FORM, "invoice_number": facts.NUMBER, "active": True}


async def test_a_confirmed_form_is_shown_as_the_tax_side_reported_it_and_stays_active(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    project(tables, STORY)
    form = await get(client, f"/red-font-forms/{facts.FORM}", account_id=facts.ACCOUNT)
    assert (form["state"], form["active"], form["invoice_number"]) == ("04", True, facts.NUMBER)
    assert form["form"] == json.loads(facts.form().model_dump_json(exclude_none=True))


async def test_a_form_of_a_refused_return_is_not_active_until_another_invoice_claims_it(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    refused = [*STORY[:3], facts.refused(form_number=facts.FORM, form_state="07", occurred_at=facts.START)]
    project(tables, refused)
    form = await get(client, f"/red-font-forms/{facts.FORM}")
    assert (form["state"], form["active"], form["invoice_number"]) == ("07", False, facts.NUMBER)


async def test_of_two_invoices_that_named_a_form_the_one_that_has_it_is_shown(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    other = LIST[0]
    refused = [*STORY[:3], facts.refused(form_number=facts.FORM, form_state="07", occurred_at=facts.START)]
    project(tables, refused, [invoice(other), *of(other, facts.requested(return_id="r9"))])
    form = await get(client, f"/red-font-forms/{facts.FORM}")
    assert (form["active"], form["invoice_number"]) == (True, other)


@pytest.mark.parametrize("path", [f"/red-font-forms/{facts.OTHER_FORM}", "/red-font-forms/1", "/red-font-forms/%00"])
async def test_a_form_that_was_never_named_is_not_found(
    tables: Addresses, client: httpx.AsyncClient, path: str
) -> None:
    project(tables, STORY)
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "RED_FONT_FORM_NOT_FOUND")


async def test_another_accounts_form_is_not_found(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, STORY)
    answer = await client.get(f"/red-font-forms/{facts.FORM}?account_id=other")
    assert (answer.status_code, answer.json()["code"]) == (404, "RED_FONT_FORM_NOT_FOUND")
