"""Every filter, order and form of the list, on a real database."""

import csv
import io
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString, cast
from urllib.parse import parse_qsl

import httpx
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed

from events.invoice_events import AnyInvoiceEvent
from events.values import Buyer, Charge
from projections.invoices import queries
from projections.invoices.matching import Order, SearchFacts, collected
from tests.projections.support import facts
from tests.projections.support.asked import numbers, of, project
from transport.addresses import Addresses
from web.api import invoice_rows
from web.console.list_query import Shown
from web.http.reading import pool_of

NAMES = ("issued", "refused", "overdue", "due", "in_progress", "reversed", "returned", "again")
NUMBERS = {name: f"26{31 + index % 2}{index + 1:012d}{7000 + index}" for index, name in enumerate(NAMES)}
"""Of invoices that differ in everything that the list can be asked for, the oldest first."""
NEWEST_FIRST = tuple(reversed(NAMES))
SOON = datetime.now(UTC) + timedelta(hours=2)
LATER = datetime.now(UTC) + timedelta(days=2)
STORIES: Mapping[str, tuple[AnyInvoiceEvent, ...]] = {
    "issued": (),
    "refused": (facts.posting(), facts.requested(), facts.refused()),
    "overdue": (facts.requested_simply(), facts.overdue()),
    "due": (facts.posting("not_recorded"), facts.requested_simply(due_latest=SOON)),
    "in_progress": (facts.requested_simply(due_latest=LATER),),
    "reversed": (facts.requested_simply(), facts.confirmed(), facts.credited(released_charge_ids=("reversed",))),
    "returned": (
        facts.requested_simply(),
        facts.overdue(),
        facts.confirmed(),
        facts.credited(credit_note_number="26312000000000009002", released_charge_ids=("returned",)),
        facts.returned(),
    ),
    "again": (facts.requested_simply(), facts.refused(), facts.requested_simply(due_latest=LATER, return_id="r2")),
}
BUYERS = {
    "issued": Buyer(name="Blue Sky Ltd", tax_id="91AB"),
    "refused": Buyer(name="BLUE Moon"),
    "due": Buyer(name="蓝天"),
}
AMOUNTS = {"issued": "0.01", "refused": "99.99", "overdue": "100.00", "due": "100.01", "returned": "2000.00"}


def first(index: int, name: str) -> AnyInvoiceEvent:
    amount = Decimal(AMOUNTS.get(name, "106.00"))
    return facts.issued(
        invoice_number=NUMBERS[name],
        account_id="acct-2" if name in {"due", "returned"} else facts.ACCOUNT,
        kind="general" if index % 2 else "special",
        issued_on=date(2026, 3, index // 2 + 1),
        buyer=BUYERS.get(name, Buyer(name="Other")),
        net_amount=amount,
        tax_amount=Decimal("0.00"),
        total_amount=amount,
        charges=(Charge(charge_id=name, amount=amount),),
    )


@pytest.fixture
def listed(tables: Addresses) -> None:
    """Let the read models see an invoice of each kind."""
    project(
        tables,
        *(
            [begun := first(index, name), *of(NUMBERS[name], *STORIES[name], account=begun.account_id)]
            for index, name in enumerate(NAMES)
        ),
    )


FILTERS: Mapping[str, tuple[str, ...]] = {
    "": NEWEST_FIRST,
    "status=issued": ("refused", "issued"),
    "status=return_in_progress": ("again", "in_progress", "due", "overdue"),
    "status=reversed_with_credit_note": ("reversed",),
    "status=returned": ("returned",),
    "attention=refused": ("refused",),
    "attention=overdue": ("overdue",),
    "attention=near_due": ("due",),
    "attention=overdue&status=issued": (),
    "kind=special": ("returned", "in_progress", "overdue", "issued"),
    "posting_status=recorded": ("refused",),
    "posting_status=not_recorded&kind=general": ("due",),
    "issued_from=2026-03-02&issued_to=2026-03-03": ("reversed", "in_progress", "due", "overdue"),
    "issued_from=2026-03-04&issued_to=2026-03-01": (),
    "amount_from=100&amount_to=100.01": ("due", "overdue"),
    "amount_to=99.99": ("refused", "issued"),
    "amount_from=2000.01": (),
    "status=return_in_progress&amount_from=100.01&amount_to=106": ("again", "in_progress", "due"),
    "account_id=acct-2&status=return_in_progress&amount_to=100.01": ("due",),
    "buyer=blue": ("refused", "issued"),
    "buyer=91ab": ("issued",),
    "buyer=%E8%93%9D": ("due",),
    "buyer=sky": (),
    "buyer=blue&status=issued&amount_to=1": ("issued",),
    "account_id=acct-2": ("returned", "due"),
    "account_id=acct-2&posting_status=not_recorded&kind=general": ("due",),
    "account_id=acct-2&attention=near_due": ("due",),
    "account_id=acct-2&amount_from=1000": ("returned",),
    "q=7001": ("refused",),
    "q=2631": ("returned", "in_progress", "overdue", "issued"),
    "q=26+31": ("returned", "in_progress", "overdue", "issued"),
    "q=%EF%BC%92%EF%BC%96-31&account_id=acct-2": ("returned",),
    "status=&attention=&kind=&posting_status=&issued_from=&amount_to=&buyer=&sort=": NEWEST_FIRST,
}


async def test_every_filter_narrows_the_list_and_the_count(listed: None, client: httpx.AsyncClient) -> None:  # noqa: ARG001 - a fixture
    pages = {asked: await asked_for(client, f"{asked}") for asked in FILTERS}
    assert {asked: named(page) for asked, page in pages.items()} == FILTERS
    counts = {asked: page["count"] for asked, page in pages.items()}
    assert counts == {asked: {"value": len(found), "exact": True} for asked, found in FILTERS.items()}


SORTS: Mapping[str, tuple[str, ...]] = {
    "issued_on": NAMES,
    "-issued_on": NEWEST_FIRST,
    "total_amount": ("issued", "refused", "overdue", "due", "in_progress", "reversed", "again", "returned"),
    "-total_amount": ("returned", "again", "reversed", "in_progress", "due", "overdue", "refused", "issued"),
    "due_latest": ("overdue", "due", "in_progress", "again", "returned", "reversed", "refused", "issued"),
}


NARROWED = (
    "",
    f"&account_id={facts.ACCOUNT}",
    "&q=2631",
    "&kind=special&amount_from=1",
    "&status=return_in_progress&amount_from=1",
    "&buyer=other&status=returned",
)
MANY = (queries.MAX_EXACT_COUNT, 1)
"""As many as there are are few; and so many that all are."""


@pytest.mark.parametrize("many", MANY)
async def test_pages_cover_the_list_once_in_every_order(
    listed: None,  # noqa: ARG001 - a fixture
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    many: int,
) -> None:
    monkeypatch.setattr(queries, "MAX_EXACT_COUNT", many)
    for narrowed in NARROWED:
        await covered(client, narrowed, many)


async def covered(client: httpx.AsyncClient, narrowed: str, many: int) -> None:
    matching = named(await asked_for(client, f"limit=200{narrowed}"))
    for sort, expected in SORTS.items():
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            page = await asked_for(client, f"limit=2&sort={sort}{narrowed}{cursor}")
            assert page["count"] == {"value": min(many, len(matching)), "exact": len(matching) <= many}
            seen += named(page)
            cursor = f"&cursor={page['next_cursor']}" if "next_cursor" in page else None
        assert seen == [name for name in expected if name in matching], sort


async def test_many_matches_are_counted_up_to_a_limit(
    listed: None,  # noqa: ARG001 - a fixture
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit, exact in ((7, False), (8, True)):
        monkeypatch.setattr(queries, "MAX_EXACT_COUNT", limit)
        for asked in ("", "amount_from=0"):
            page = await asked_for(client, f"limit=1&{asked}")
            assert page["count"] == {"value": limit, "exact": exact}, asked


async def test_a_spreadsheet_gets_every_match(
    listed: None,  # noqa: ARG001 - a fixture
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(invoice_rows, "_ROWS_AT_A_TIME", 3)
    answer = await client.get("/invoices?sort=issued_on&limit=1", headers={"accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["invoice_number"] for row in rows] == list(NUMBERS.values())
    assert rows[1] == {
        "invoice_number": NUMBERS["refused"],
        "account_id": facts.ACCOUNT,
        "kind": "general",
        "issued_on": "2026-03-01",
        "status": "issued",
        "posting_status": "recorded",
        "buyer_name": "BLUE Moon",
        "buyer_tax_id": "",
        "net_amount": "99.99",
        "tax_amount": "0.00",
        "total_amount": "99.99",
        "due_latest": "",
        "overdue": "false",
        "last_refusal": "RED_FONT_FORM_EXPIRED",
    }
    assert (rows[2]["overdue"], rows[6]["overdue"]) == ("true", "false")
    narrowed = await client.get("/invoices?buyer=blue", headers={"accept": "application/xml, text/csv;q=0.5"})
    assert len(narrowed.text.splitlines()) == 3
    assert (await client.get("/invoices", headers={"accept": "*/*"})).headers["content-type"] == "application/json"


@pytest.mark.parametrize("sort", ["issued_on", "-total_amount"])
async def test_a_long_export_is_walked_and_its_rest_collected(
    listed: None,  # noqa: ARG001 - a fixture
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
) -> None:
    monkeypatch.setattr(invoice_rows, "_ROWS_AT_A_TIME", 1)
    monkeypatch.setattr(queries, "MAX_EXACT_COUNT", 2)
    orders: list[Order] = []

    def counted(facts: SearchFacts, order: Order) -> Composed:
        orders.append(order)
        return collected(facts, order)

    monkeypatch.setattr(queries, "collected", counted)
    answer = await client.get(f"/invoices?sort={sort}&amount_from=0", headers={"accept": "text/csv"})
    rows = csv.DictReader(io.StringIO(answer.text))
    assert [row["invoice_number"] for row in rows] == [NUMBERS[name] for name in SORTS[sort]]
    assert len(orders) == 6  # for the first row, before each two of the others, and for the last row


async def test_a_name_is_no_formula_in_a_spreadsheet(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, [facts.issued(buyer=Buyer(name='=HYPERLINK("x")'))])
    answer = await client.get("/invoices", headers={"accept": "text/csv"})
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["buyer_name"] == '\'=HYPERLINK("x")'


async def test_every_parameter_at_fault_is_named(client: httpx.AsyncClient) -> None:
    wrong = {
        "status": "open",
        "attention": "late",
        "kind": "red",
        "posting_status": "posted",
        "issued_from": "2026-02-30",
        "issued_to": "yesterday",
        "amount_from": "1.234",
        "amount_to": "-1",
        "buyer": "x" * 201,
        "q": "123",
        "sort": "buyer",
        "limit": "0",
        "state": "issued",
    }
    for headers in ({}, {"accept": "text/csv"}):
        answer = await client.get("/invoices", params=wrong, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_QUERY")
        assert {fault["field"] for fault in answer.json()["faults"]} == wrong.keys()


async def test_a_cursor_of_another_order_is_refused(listed: None, client: httpx.AsyncClient) -> None:  # noqa: ARG001 - a fixture
    cursor = (await asked_for(client, "limit=1&sort=total_amount"))["next_cursor"]
    answer = await client.get(f"/invoices?cursor={cursor}")
    assert [fault["field"] for fault in answer.json()["faults"]] == ["cursor"]


async def asked_for(client: httpx.AsyncClient, query: str) -> Any:
    answer = await client.get(f"/invoices?{query}")
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()


def named(page: Mapping[str, object]) -> tuple[str, ...]:
    by_number = {number: name for name, number in NUMBERS.items()}
    return tuple(by_number[number] for number in numbers(dict(page)))


class Explained:
    """A connection that keeps the plan of every query."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection
        self.plans: dict[str, str] = {}

    def transaction(self) -> AbstractAsyncContextManager[object]:
        return self._connection.transaction()

    async def execute(self, statement: LiteralString | Composed, facts: Any = None, **how: Any) -> Any:
        if isinstance(statement, Composed):
            plan = await self._connection.execute(SQL("explain ") + statement, facts)
            self.plans[statement.as_string()] = "\n".join(line for (line,) in await plan.fetchall())
        return await self._connection.execute(statement, facts, **how)


async def test_every_filter_in_every_order_has_an_index(listed: None, tables: Addresses) -> None:  # noqa: ARG001 - a fixture
    read: list[str] = []
    async with pool_of(tables.database) as pool, pool.connection() as connection:
        for asked in FILTERS:
            for sort in SORTS:
                query = Shown.model_validate(dict(parse_qsl(asked)) | {"sort": sort})
                wanted, explained = query.wanted(None, datetime.now(UTC)), Explained(connection)
                await queries.page(cast("Any", explained), wanted, query.cut())
                await queries.count(cast("Any", explained), wanted)
                read += [statement for statement, plan in explained.plans.items() if "Seq Scan on invoices" in plan]
    assert read == []
