"""Looking: the list and its filters, languages, zones, keyboards, screen readers, phones, paper."""

import asyncio
import re

import httpx
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.support.chromium import WITHIN
from tests.browser.support.site import Site, row
from tests.service.support.orders import ask_simply, charge

SHIFTS = """
    window.shifts = 0;
    new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifts += one.value; })
        .observe({ type: "layout-shift" });
"""
SHIFTED = """
    () => new Promise((resolve) =>
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(window.shifts)))))
"""
"""Asked after the next frames: shifts are reported once they have been drawn."""


async def test_the_list_is_searched_while_one_types_and_the_address_says_so(site: Site, page: Page) -> None:
    number, other = await site.invoice(), await site.invoice()
    await page.goto("/")
    await page.get_by_label("Invoice number").press_sequentially(number)
    await expect(row(page, other)).to_have_count(0)
    await expect(row(page, number)).to_be_visible()
    await expect(page).to_have_url(re.compile(rf"\?q={number}$"))
    await page.get_by_label("Status").select_option("returned")
    await expect(page.locator("#list")).to_contain_text("No invoices match.")
    await expect(page).to_have_url(re.compile(rf"\?q={number}&status=returned$"))
    await page.reload()
    await expect(page.get_by_label("Status")).to_have_value("returned")
    await page.get_by_role("link", name="Show all invoices").click()
    await expect(row(page, other)).to_be_visible()


async def test_a_number_is_found_however_it_is_written(site: Site, page: Page) -> None:
    number, other = await site.invoice(), await site.invoice()
    await page.goto("/")
    grouped = f"{number[:4]} {number[4:8]}\u00a0{number[8:12]}-{number[12:]}"
    wide = "".join(chr(0xFEE0 + ord(sign)) if sign.isdigit() else sign for sign in grouped)
    for written in (grouped, wide):
        await page.get_by_label("Invoice number").fill("")
        await expect(row(page, other)).to_be_visible()
        await page.get_by_label("Invoice number").fill(written)
        await expect(row(page, other)).to_have_count(0)
        await expect(row(page, number)).to_be_visible()


async def test_a_link_and_a_list_that_wait_say_so(site: Site, page: Page) -> None:
    number = await site.invoice()
    await page.goto("/")
    list_, link = page.locator("#list"), row(page, number).get_by_role("link", name="Return")
    may_go = await held_up(page, re.compile(r"/\?q="))
    await page.get_by_label("Invoice number").fill(number)
    await expect(list_).to_have_attribute("aria-busy", "true")
    may_go.set()
    await expect(list_).not_to_have_attribute("aria-busy", "true")
    may_go = await held_up(page, re.compile(r"/return/"))
    await link.click()
    await expect(link).to_have_attribute("aria-busy", "true")
    may_go.set()
    await expect(link).not_to_have_attribute("aria-busy", "true")


async def held_up(page: Page, address: re.Pattern[str]) -> asyncio.Event:
    """Let requests wait until the event that is returned."""
    may_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_go.wait()
        await route.continue_()

    await page.route(address, hold)
    return may_go


async def test_every_link_of_the_list_leads_to_an_address_of_its_own(site: Site, page: Page) -> None:
    number = await site.invoice(account_id="account-of-its-own")
    await page.goto("/")
    await row(page, number).get_by_role("link", name="account-of-its-own").click()
    await expect(page).to_have_url(re.compile(r"\?account_id=account-of-its-own$"))
    await expect(page.get_by_role("row")).to_have_count(2)
    await page.goto(f"/?q={number[:3]}")
    await expect(page.locator("#list")).to_contain_text("Enter at least four digits")


async def test_what_is_not_there_is_said_in_a_sentence(site: Site, page: Page) -> None:
    for path, status, sentence in (
        ("/details/26000000000000000404", 404, "Invoice not found."),
        ("/return/26000000000000000404", 404, "Invoice not found."),
        ("/?path=x&status=lost", 200, "This address is not valid."),
        ("/lists", 404, "Page not found."),
        ("/?cursor=x", 422, "This address is not valid."),
        ("/issue?account_id=" + "x" * 65, 422, "This address is not valid."),
    ):
        answer = await site.http.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (answer.status_code, sentence in answer.text) == (status, True), path
        assert "content-security-policy" in answer.headers
    await page.goto("/?status=lost")
    await expect(page.locator("#list")).to_contain_text("This address is not valid.")


async def test_a_form_from_another_site_is_not_taken(site: Site) -> None:
    number = await site.invoice()
    headers = {"Origin": "https://elsewhere.example", "Content-Type": "application/x-www-form-urlencoded"}
    answer = await site.http.post(f"/return/{number}", headers=headers, content="key=1&posting_status=unknown")
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert site.events(number) == ["InvoiceIssued"]


async def test_numbers_are_copied_with_one_click(site: Site, page: Page) -> None:
    number = await site.invoice()
    await page.goto("/")
    await page.get_by_role("button", name=f"Copy {number}").click()
    await expect(page.locator("#state")).to_contain_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == number
    # Over plain HTTP from another machine, browsers offer no clipboard to scripts.
    await page.evaluate("navigator.clipboard.writeText('')")
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await page.get_by_role("button", name=f"Copy {number}").click()
    await page.get_by_role("combobox", name="Account").focus()
    await page.keyboard.press("Control+V")
    await expect(page.get_by_role("combobox", name="Account")).to_have_value(number)


async def test_the_page_speaks_chinese_to_whoever_wants_it(site: Site, browser: Browser, page: Page) -> None:
    number = await site.invoice("recorded")
    await page.goto("/")
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_role("heading", name="发票下载与退票")).to_be_visible()
    await page.goto(f"/return/{number}")  # the choice is kept
    await expect(page.get_by_text("蓝字发票入账状态")).to_be_visible()
    await page.get_by_role("button", name="确定").click()
    await expect(page.locator("main")).to_contain_text("请选择退票原因。")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    context = await browser.new_context(base_url=site.url, locale="zh-CN")
    context.set_default_timeout(WITHIN)
    try:
        chinese = await context.new_page()
        await chinese.goto("/board")
        await expect(chinese.get_by_role("heading", name="运维")).to_be_visible()
        await chinese.get_by_role("link", name="English").click()
        await expect(chinese.get_by_role("heading", name="Operations")).to_be_visible()
    finally:
        await context.close()


async def test_times_are_in_the_readers_zone(site: Site, browser: Browser) -> None:
    number = await site.invoice()
    context = await browser.new_context(base_url=site.url, locale="en-GB", timezone_id="America/New_York")
    context.set_default_timeout(WITHIN)
    try:
        page = await context.new_page()
        await page.goto(f"/details/{number}")
        await expect(page.get_by_role("contentinfo")).to_contain_text("Times are in America/New_York.")
        (issued,) = site.client.of(number)
        there = await page.evaluate(
            "at => new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })",
            issued.occurred_at.isoformat(),
        )
        await expect(page.locator(".timeline")).to_contain_text(there)
    finally:
        await context.close()


async def test_a_return_is_requested_with_the_keyboard_alone(site: Site, page: Page) -> None:
    number = await site.invoice()
    await page.goto(f"/?q={number}")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    opener = row(page, number).get_by_role("link", name="Return")
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await opener.evaluate("one => one === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await dialog.evaluate("one => one.contains(document.activeElement)")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(opener).to_be_focused()
    await page.keyboard.press("Enter")
    await dialog.get_by_label("Remarks").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await expect(row(page, number)).to_contain_text("Returned")
    assert await row(page, number).evaluate("one => one.contains(document.activeElement)")


async def test_nothing_moves_when_a_status_changes(site: Site, page: Page) -> None:
    above, number = await site.invoice(), await site.invoice()
    await page.goto("/")
    await page.wait_for_load_state("networkidle")
    await page.evaluate(SHIFTS)
    await site.submit(ask_simply(number))
    await expect(row(page, number)).to_contain_text("Returned")
    assert await page.evaluate(SHIFTED) == 0

    await page.goto(f"/details/{above}")
    await page.evaluate(SHIFTS)
    charges = await page.get_by_role("heading", name="Charges").bounding_box()
    timeline = await page.get_by_role("heading", name="History").bounding_box()
    await site.submit(ask_simply(above))
    await expect(page.locator(".heading")).to_contain_text("Returned")
    assert await page.evaluate(SHIFTED) < 0.001, "only the links beside the badge make room for it"
    assert await page.get_by_role("heading", name="Charges").bounding_box() == charges
    assert await page.get_by_role("heading", name="History").bounding_box() == timeline


async def test_the_details_print_without_what_only_screens_need(site: Site, page: Page) -> None:
    number = await site.invoice()
    await page.goto(f"/details/{number}")
    await page.emulate_media(media="print")
    for hidden in (
        page.get_by_role("banner"),
        page.get_by_role("contentinfo"),
        page.locator(".actions"),
        page.locator(".copy"),
    ):
        await expect(hidden.first).to_be_hidden()
    await expect(page.get_by_text("Original invoice number")).to_be_visible()


async def test_an_invoice_with_61_charges_prints_on_three_sheets_of_a4(site: Site, page: Page) -> None:
    number = next(site.numbers)
    await site.invoice(number=number, charges=[charge(f"{number}-{index}") for index in range(61)])
    await page.goto(f"/details/{number}")
    await expect(page.get_by_text(f"{number}-60", exact=True)).to_be_attached()
    assert len(re.findall(rb"/Type\s*/Page\b", await page.pdf(format="A4"))) == 3


async def test_the_operations_view_shows_pictures_and_their_figures(site: Site, page: Page) -> None:
    number = await site.invoice(number="26110000000199999945")  # every request fails twice before it is answered
    await site.submit(ask_simply(number))
    await page.goto("/board")
    await expect(page.get_by_role("row", name=number)).to_contain_text("TAX_PLATFORM_BUSY")
    for title in ("Parts of the system", "Tax requests without an answer"):
        await expect(page.get_by_role("heading", name=title)).to_be_visible()
    await expect(page.get_by_role("row", name="relay role Running")).to_be_visible()
    pictures = page.get_by_role("img")
    await expect(pictures).to_have_count(3)
    for picture in await pictures.all():
        assert await picture.evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    await expect(page.get_by_text("commands answered and")).to_be_visible()
    await page.get_by_text("Figures").first.click()
    await expect(page.get_by_role("rowheader", name="redletter.worker")).to_be_visible()


async def test_the_documentation_for_developers_loads_from_here_too(page: Page) -> None:
    await page.goto("/docs")
    await expect(page.get_by_role("heading", name="Redletter")).to_be_visible()
