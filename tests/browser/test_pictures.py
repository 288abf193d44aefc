"""The pictures of the README: ``make pictures`` keeps them, the other runs throw them away."""

import os
from asyncio import gather
from itertools import cycle
from pathlib import Path
from time import monotonic

from playwright.async_api import Browser, Page, expect

from tests.browser.support.chromium import WITHIN
from tests.browser.support.site import Site, dialog_of, row
from tests.service.support.orders import ask_return, ask_simply

EXPIRED, FAILING = "26119000000099999907", "26119000000099999945"


def kept_in(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def taken(folder: Path) -> set[str]:
    return {picture.name for picture in folder.glob("*.png") if picture.stat().st_size > 10_000}


async def busy(site: Site, seconds: float) -> None:
    """Have something to show in the operations view: invoices come."""
    until = monotonic() + seconds
    for burst in cycle((1, 4, 9, 12, 3)):
        await gather(*(site.invoice() for _ in range(burst)))
        if monotonic() > until:
            return


async def test_the_pictures_show_the_list_the_dialog_the_details_and_a_phone(
    site: Site, browser: Browser, page: Page, tmp_path: Path
) -> None:
    folder = kept_in(tmp_path)
    recorded, unrecorded, fresh = [f"2611900000000000000{digit}" for digit in (1, 2, 3)]
    for number, posting in ((recorded, "recorded"), (unrecorded, "not_recorded"), (fresh, None)):
        await site.invoice(posting, number=number)
    for number in (EXPIRED, FAILING):
        await site.invoice("recorded", number=number)
        await site.submit(ask_return(number, red_font_form_number=next(site.forms)))
    await site.submit(ask_simply(unrecorded))
    await page.set_viewport_size({"width": 1200, "height": 700})
    await page.goto("/?q=2611900000")
    await expect(row(page, EXPIRED)).to_contain_text("Return refused")
    await expect(row(page, unrecorded)).to_contain_text("Returned")
    await page.screenshot(path=folder / "list.png")
    await page.goto(f"/details/{unrecorded}")
    await expect(page.locator(".timeline")).to_contain_text("Return complete")
    await page.screenshot(path=folder / "details.png")
    dialog = await dialog_of(page, recorded, "Return")
    await dialog.get_by_role("button", name="OK").click()
    await expect(dialog.locator(".fault")).to_have_count(3)
    await page.screenshot(path=folder / "dialog.png")
    await page.goto("/board")
    await busy(site, 120 if "PICTURES" in os.environ else 10)
    await page.reload()
    await expect(page.locator("figcaption")).to_contain_text("Currently")
    await expect(page.get_by_role("row", name=FAILING)).to_be_visible()
    await page.screenshot(path=folder / "board.png")

    context = await browser.new_context(
        base_url=site.url, locale="zh-CN", timezone_id="Asia/Shanghai", color_scheme="dark", device_scale_factor=2
    )
    context.set_default_timeout(WITHIN)
    phone = await context.new_page()
    await phone.set_viewport_size({"width": 390, "height": 780})
    await phone.goto(f"/details/{FAILING}")
    await expect(phone.get_by_role("heading", name="开票记录详情")).to_be_visible()
    await phone.screenshot(path=folder / "phone.png")
    await context.close()
    assert {"list.png", "details.png", "dialog.png", "board.png", "phone.png"} <= taken(folder)
