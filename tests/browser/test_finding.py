"""Finding work: tabs, filters and orders of the list, on any screen, on paper and in a spreadsheet."""

import csv
import re
from pathlib import Path

from playwright.async_api import Page, expect

from events.values import Buyer
from tests.browser.support.site import Site, row, violations
from tests.service.support.orders import ask_return, ask_simply

EXPIRED = "26110000000199999907"
"""The simulator says that the first form of such an invoice has expired."""
WIDTHS = (900, 1200, 2560)
"""Beside those of `test_every_state`."""
ROW_HEIGHT = 44
ROWS_ON_A_SCREEN = 11
"""At 1280 x 800."""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_tabs_count_what_they_show_and_keep_the_filters(site: Site, page: Page) -> None:
    account = "account-of-tabs"
    for _ in range(2):
        await site.invoice(account_id=account)
    returned = await site.invoice(account_id=account)
    await site.invoice("recorded", number=EXPIRED, account_id=account)
    await site.submit(ask_simply(returned, account_id=account))
    await site.submit(ask_return(EXPIRED, account_id=account, red_font_form_number=next(site.forms)))
    await page.goto(f"/?account_id={account}")
    await expect(row(page, returned)).to_contain_text("Returned")
    await expect(row(page, EXPIRED)).to_contain_text("Return refused")
    await page.reload()
    tabs = page.get_by_role("navigation", name="Which invoices")
    await expect(tabs).to_have_text(
        re.compile(r"All 4\s+Return in progress 0\s+Needs attention 1\s+Reversed or returned 1")
    )
    await tabs.get_by_role("link", name="Needs attention").click()
    await expect(page).to_have_url(re.compile(rf"account_id={account}&tab=attention$"))
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(row(page, EXPIRED)).to_be_visible()
    await expect(page.locator("#matches")).to_have_text("1 invoice")
    await page.get_by_role("textbox", name="Buyer").fill("nobody")
    await expect(page.locator("#list")).to_contain_text("No invoices match.")
    await expect(page).to_have_url(re.compile(rf"tab=attention&buyer=nobody&account_id={account}$"))
    await expect(tabs).to_contain_text("All 0")


async def test_the_export_holds_what_is_shown_in_the_order_that_is_shown(
    site: Site, page: Page, tmp_path: Path
) -> None:
    account = "account-of-exports"
    numbers = [await site.invoice(account_id=account) for _ in range(3)]
    await site.invoice("recorded", account_id=account)
    await page.goto(f"/?account_id={account}&kind=general")
    await page.get_by_role("link", name="Issued on").click()
    await expect(page.get_by_role("columnheader", name="Issued on")).to_have_attribute("aria-sort", "ascending")
    shown = await page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.number)")
    assert shown == sorted(numbers)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Export as CSV").click()
    file = tmp_path / "invoices.csv"
    await (await downloading.value).save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as text:
        assert [line["invoice_number"] for line in csv.DictReader(text)] == shown


async def test_the_list_is_dense_and_fits_every_screen_and_paper(site: Site, page: Page) -> None:
    account = "account-with-a-long-name-" + "x" * 39
    for name in (
        "x" * 200,
        "Acme (China) Cloud Services and Trading Company Limited",
        "上海海岳云计算技术服务有限公司",
    ):
        documents = (
            {"format": "pdf", "url": "https://files.example/1"},
            {"format": "ofd", "url": "https://files.example/2"},
        )
        buyer = Buyer(name=name, tax_id="91330100111111111X")
        await site.invoice("recorded", account_id=account, buyer=buyer, documents=documents)
    for _ in range(ROWS_ON_A_SCREEN):
        await site.invoice("recorded")
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        for path in ("/", f"/?account_id={account}&kind=special"):
            await page.goto(path)
            assert await page.evaluate(OVERFLOW) <= 0, (width, path)
    await page.set_viewport_size({"width": 1280, "height": 800})
    for path in (f"/?account_id={account}", "/"):
        await page.goto(path)
        heights = await page.locator("tbody tr").evaluate_all(
            "rows => rows.slice(0, 11).map(row => Math.round(row.getBoundingClientRect().height))"
        )
        assert max(heights) <= ROW_HEIGHT
    await expect(page.locator("tbody tr").nth(ROWS_ON_A_SCREEN - 1)).to_be_in_viewport()
    await page.emulate_media(media="print")
    await expect(page.get_by_role("columnheader", name="Buyer")).to_be_visible()
    await expect(page.get_by_role("link", name="Export as CSV")).to_be_hidden()


async def test_columns_that_a_reader_hides_stay_hidden(site: Site, page: Page) -> None:
    number = await site.invoice()
    await page.goto(f"/?q={number}")
    buyer = row(page, number).locator(".buyer")
    await page.locator("summary", has_text="Columns").click()
    await page.get_by_role("checkbox", name="Buyer").uncheck()
    await expect(buyer).to_be_hidden()
    await page.reload()
    await expect(row(page, number)).to_be_visible()
    await expect(buyer).to_be_hidden()
    assert await violations(page) == ""
    await page.locator("summary", has_text="Columns").click()
    await page.get_by_role("checkbox", name="Buyer").check()
    await expect(buyer).to_be_visible()


async def test_accounts_are_suggested_as_one_types(site: Site, page: Page) -> None:
    for account in ("suggested-1", "suggested-2", "other"):
        await site.invoice(account_id=account)
    await page.goto("/")
    await page.get_by_role("combobox", name="Account").fill("sugg")
    options = page.locator("#accounts option")
    await expect(options).to_have_count(2)
    assert await options.evaluate_all("all => all.map(one => one.value)") == ["suggested-1", "suggested-2"]
