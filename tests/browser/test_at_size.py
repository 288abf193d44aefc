"""The page with 100,000 invoices, behind, and without Kafka: it shows what it knows, and says what is wrong."""

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from playwright.async_api import Browser, Page, expect

from benchmarks.filled_read_tables import fill_read_tables
from events.topics import EVENTS_TOPIC, STATUS_TOPIC
from local import ports
from tests.browser.support.chromium import WITHIN
from tests.browser.support.scopes import each, together
from tests.end_to_end.support.system import system
from tests.faults.support.roles import Roles
from tests.support.fresh_system import fresh
from tests.support.waiting import until
from transport.addresses import Addresses

COPIES = 1000
"""Of a hundred invoices each."""
VISIBLE_WITHIN = 1.0
"""Seconds from the navigation until the list can be seen."""
PAGES, PAGE_ROWS = 12, 50
ELEMENTS = 12_000
"""Half of what all those lines would be."""
_STANDS = "update projections.invoices set standing = %s where invoice_number = %s"
_NEW_VERSION = """
    update projections.invoices set version = 99, document = jsonb_set(document::jsonb, '{version}', '99')::json
    where invoice_number = %s returning document::text
"""
_AS_IT_WAS = "select version, document::text, invoice_number from projections.invoices where invoice_number = any(%s)"
_RESTORED = "update projections.invoices set version = %s, document = %s where invoice_number = %s"
_BANNER = """() => {
    const banner = document.createElement("p");
    banner.className = "banner confirmed";
    banner.textContent = "A sentence.";
    document.getElementById("state").append(banner);
}"""
_IS_ON_TOP = """one => {
    const box = one.getBoundingClientRect();
    return one.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
}"""
_LINKS_ARE_ON_TOP = f"""one => {{
    one.scrollIntoView({{ block: "center", behavior: "instant" }});
    const links = [...one.querySelectorAll("a")];
    return links.length > 0 && links.every({_IS_ON_TOP});
}}"""
"""At once, since the list grows as one scrolls, and takes the end of the page away."""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
"""Milliseconds; reported some time after the paint, so the test waits for it."""


@together
async def filled(servers: Addresses, template: str) -> AsyncIterator[Addresses]:
    """Fill a system with 100,000 invoices."""
    async with fresh(servers, template) as own:
        await fill_read_tables(own, COPIES)
        yield own


@asynccontextmanager
async def page_of(address: str, browser: Browser) -> AsyncGenerator[Page]:
    """Open a page for the length of a block."""
    context = await browser.new_context(base_url=address, locale="en-GB", timezone_id="Asia/Shanghai")
    context.set_default_timeout(WITHIN)
    yield await context.new_page()
    await context.close()


@asynccontextmanager
async def looked_at(own: Addresses, browser: Browser, logs: Path) -> AsyncGenerator[tuple[Page, Roles]]:
    """Open a page of a system of which only the api is at work."""
    async with system(own, logs, "api") as (roles, http):
        (await http.get("/livez")).raise_for_status()
        async with page_of(str(http.base_url), browser) as page:
            yield page, roles


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def address(filled: Addresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Start an api of that system, for the tests that do nothing to it."""
    async with system(filled, tmp_path_factory.mktemp("logs"), "api") as (_, http):
        (await http.get("/livez")).raise_for_status()
        yield str(http.base_url)


@each
async def crowded(address: str, browser: Browser) -> AsyncIterator[Page]:
    """Open a page of it."""
    async with page_of(address, browser) as page:
        yield page


async def test_the_first_list_of_100_000_invoices_is_visible_within_a_second(address: str, browser: Browser) -> None:
    """Other tests may make one look late, but none early, so the best of them counts."""

    async def in_time() -> bool:
        async with page_of(address, browser) as page:
            return max(await seconds_until_seen(page)) < VISIBLE_WITHIN

    await until(in_time)


async def seconds_until_seen(page: Page) -> tuple[float, float]:
    """Open the list; return the seconds until its rows were visible, and until the browser had painted something."""
    began = time.monotonic()
    await page.goto("/", wait_until="commit")
    await expect(page.get_by_role("row").nth(50)).to_be_visible()
    visible = time.monotonic() - began
    # The browser's own way to wait for it evaluates text, which the page's policy forbids from the second look on.
    await until(lambda: page.evaluate(f"({PAINTED}) !== undefined"))
    return visible, await page.evaluate(PAINTED) / 1000


async def test_the_list_grows_as_one_scrolls_keeps_little_around_and_is_there_again_on_the_way_back(
    crowded: Page,
) -> None:
    await crowded.goto("/")
    seen = await numbers_on(crowded, PAGES)
    assert len(set(seen)) == PAGES * PAGE_ROWS
    await until(lambda: crowded.evaluate(f"document.querySelectorAll('*').length < {ELEMENTS}"))
    await away_and_back(crowded, seen[-1])
    await crowded.evaluate("scrollTo(0, 0)")
    await expect(crowded.locator(f"#row-{seen[0]}")).to_be_in_viewport()


async def test_lines_that_leave_while_the_reader_is_away_leave_no_gap_and_double_none(
    filled: Addresses, crowded: Page
) -> None:
    await crowded.goto("/?status=issued")
    before = await numbers_on(crowded, 4)
    gone = before[PAGE_ROWS + 1]
    await crowded.locator(f"#row-{before[-1]}").scroll_into_view_if_needed()
    await crowded.locator(f"#row-{before[-1]}").get_by_role("link", name="Details").click()
    with psycopg.connect(filled.database, autocommit=True) as connection:
        connection.execute(_STANDS, ("returned", gone))
        try:
            await crowded.go_back()
            await expect(crowded.locator("tbody")).not_to_have_count(1)
            await crowded.evaluate("scrollTo(0, 0)")
            after = await numbers_on(crowded, 4)
        finally:
            connection.execute(_STANDS, ("issued", gone))
    assert after[: len(before) - 1] == [number for number in before if number != gone]
    assert len(set(after)) == len(after)


async def test_news_of_a_line_that_is_away_is_shown_once_it_is_back(
    filled: Addresses, address: str, crowded: Page
) -> None:
    await until(lambda: listens(address))
    async with crowded.expect_response(re.compile(r"/stream\?")):
        await crowded.goto("/?status=issued")
    seen = await numbers_on(crowded, PAGES)
    first, last = crowded.locator(f"#row-{seen[0]}"), crowded.locator(f"#row-{seen[-1]}")
    await expect(first).to_have_count(0)
    changed = [seen[0], seen[-1]]  # of one partition, so that the second is heard last
    with psycopg.connect(filled.database, autocommit=True) as connection:
        before = connection.execute(_AS_IT_WAS, (changed,)).fetchall()
        try:
            async with AIOKafkaProducer(bootstrap_servers=filled.kafka) as producer:
                for number in changed:
                    with connection.transaction():
                        (document,) = connection.execute(_NEW_VERSION, (number,)).fetchone() or ("",)
                        await producer.send_and_wait(STATUS_TOPIC, document.encode(), key=number.encode(), partition=0)
            await expect(last).to_have_attribute("data-version", "99")
            await crowded.evaluate("scrollTo(0, 0)")
            await expect(first).to_have_attribute("data-version", "99")
        finally:
            connection.cursor().executemany(_RESTORED, before)


async def listens(address: str) -> bool:
    """Return whether an api receives the news."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as http:
        told = (await http.get("/readyz")).json()
    return "reasons" in told and "NOT_LISTENING" not in {one["code"] for one in told["reasons"]}


async def test_no_more_than_100_are_selected_and_the_bar_says_so(crowded: Page) -> None:
    await crowded.goto("/?status=issued")
    seen = await numbers_on(crowded, 3)
    await crowded.evaluate("scrollTo(0, 0)")
    await crowded.get_by_role("checkbox", name="Select all that are shown").check(force=True)
    bar = crowded.locator("#selection")
    await expect(bar).to_contain_text("100 selected")
    await expect(bar).to_contain_text("No more than 100 are returned at once.")
    await crowded.locator("tbody").nth(2).scroll_into_view_if_needed()
    one_more = crowded.get_by_role("checkbox", name=f"Select {seen[2 * PAGE_ROWS]}")
    await one_more.click()
    await expect(one_more).not_to_be_checked()
    await crowded.get_by_role("checkbox", name=f"Select {seen[2 * PAGE_ROWS - 1]}").uncheck()
    await one_more.check()
    await expect(bar).to_contain_text("100 selected")


async def test_a_banner_covers_no_button(crowded: Page) -> None:
    await crowded.goto("/?status=issued")
    await crowded.locator("tbody").get_by_role("checkbox").first.check()
    await crowded.evaluate(_BANNER)
    button = crowded.get_by_role("button", name="Return selected")
    await until(lambda: button.evaluate(_IS_ON_TOP))
    await until(lambda: crowded.get_by_role("contentinfo").evaluate(_LINKS_ARE_ON_TOP))


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_list_of_50_prints_on_two_sheets_of_a4_whatever_the_screen(crowded: Page, width: int) -> None:
    await crowded.set_viewport_size({"width": width, "height": 800})
    await crowded.goto("/")
    await expect(crowded.locator("tbody tr").nth(PAGE_ROWS - 1)).to_be_attached()
    assert sheets(await crowded.pdf(format="A4")) == 2


def sheets(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


async def numbers_on(page: Page, count: int) -> list[str]:
    """Scroll through so many pages of the list, and return the numbers of their lines."""
    seen: list[str] = []
    for at in range(count):
        rows = page.locator("tbody").nth(at).locator("tr[data-number]")
        await page.locator("tbody").nth(at).scroll_into_view_if_needed()
        await expect(rows).to_have_count(PAGE_ROWS)
        seen += await rows.evaluate_all("rows => rows.map(row => row.dataset.number)")
        await page.locator(".more").scroll_into_view_if_needed()
    return seen


async def away_and_back(page: Page, number: str) -> None:
    """Look at the details of an invoice in the list, and return to its line."""
    line = page.locator(f"#row-{number}")
    await line.scroll_into_view_if_needed()
    await line.get_by_role("link", name="Details").click()
    await expect(page.get_by_role("heading", name="Invoicing Record Details")).to_be_visible()
    await page.go_back()
    await expect(line).to_be_in_viewport()


async def test_one_of_100_000_invoices_is_found_by_its_last_digits(crowded: Page) -> None:
    await crowded.goto("/")
    last = await crowded.locator("tbody tr").last.get_attribute("data-number")
    assert last is not None
    await crowded.get_by_label("Invoice number").fill(last[-8:])
    await expect(crowded.locator("tbody tr")).not_to_have_count(50)
    await expect(crowded.locator(f"#row-{last}")).to_be_visible()


async def test_without_kafka_the_page_says_so_and_still_shows_what_it_knows(
    filled: Addresses, browser: Browser, tmp_path: Path
) -> None:
    (nobody,) = ports.free(1)
    async with looked_at(replace(filled, kafka=f"127.0.0.1:{nobody}"), browser, tmp_path) as (page, _):
        await page.goto("/")
        await expect(page.locator("#state")).to_contain_text("Kafka is not reachable")
        await expect(page.locator("tbody tr").first).to_be_visible()
        await page.get_by_label("Status").select_option("issued")
        await page.locator("tbody").get_by_role("link", name="Return").first.click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Remarks").fill("kept")
        await dialog.get_by_role("button", name="OK").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Requests cannot be accepted right now.")
        await expect(dialog.get_by_label("Remarks")).to_have_value("kept")


async def test_a_page_whose_server_is_gone_says_so_keeps_what_was_entered_and_recovers_by_itself(
    filled: Addresses, browser: Browser, tmp_path: Path
) -> None:
    async with looked_at(filled, browser, tmp_path) as (page, roles):
        await page.goto("/?status=issued")
        await page.locator("tbody").get_by_role("link", name="Return").first.click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Remarks").fill("kept")
        roles.kill("api")
        await expect(page.locator("#state")).to_contain_text("Live updates are interrupted")
        await dialog.get_by_role("button", name="OK").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Requests cannot be accepted right now.")
        await expect(dialog.get_by_label("Remarks")).to_have_value("kept")
        roles.start("api")
        await expect(page.locator("#state .lost")).to_have_count(0)


async def test_a_request_whose_answer_takes_long_is_said_to_be_sent_and_may_be_sent_again(crowded: Page) -> None:
    """No worker is there."""
    await crowded.goto("/?status=issued")
    await crowded.locator("tbody").get_by_role("link", name="Return").last.click()
    dialog = crowded.get_by_role("dialog")
    key = await dialog.locator("[name=key]").get_attribute("value")
    await dialog.get_by_role("button", name="OK").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Your request has been sent")
    await expect(dialog.locator("[name=key]")).to_have_value(key or "")


async def test_a_page_that_is_behind_says_so(filled: Addresses, browser: Browser, tmp_path: Path) -> None:
    minutes_ago = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp() * 1000)
    async with AIOKafkaProducer(bootstrap_servers=filled.kafka) as producer:
        await producer.send_and_wait(EVENTS_TOPIC, b"{}", key=b"1", timestamp_ms=minutes_ago)
    async with looked_at(filled, browser, tmp_path) as (page, _):
        await page.goto("/")
        await expect(page.locator("#state")).to_contain_text("This page is behind")
        await expect(page.locator("tbody tr").first).to_be_visible()
