"""Returning several invoices at once."""

import re

from playwright.async_api import Page, expect

from events.topics import Channel
from tests.browser.support.site import Site, row, violations
from tests.faults.support.evidence import everything
from tests.service.support.orders import ask_simply


async def test_selected_invoices_are_returned_together_and_each_has_an_outcome(site: Site, page: Page) -> None:
    account = "account-of-many"
    simple = [await site.invoice(account_id=account) for _ in range(3)]
    form = await site.invoice("recorded", account_id=account)
    unknown = await site.invoice(kind="special", account_id=account)
    await page.goto(f"/?account_id={account}")
    await page.get_by_role("checkbox", name="Select all that are shown").check()
    await row(page, simple[0]).get_by_role("checkbox").uncheck()
    await expect(page.locator("#selection")).to_contain_text("4 selected, ¥848.00")
    await page.goto(f"/details/{form}")
    await page.go_back()
    await expect(page.locator("#selection")).to_contain_text("4 selected, ¥848.00")
    await page.get_by_role("button", name="Return selected").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("link", name=re.compile(form[-4:]))).to_be_visible()
    await expect(dialog).to_contain_text("Posting status unknown")
    assert await violations(page) == ""
    await dialog.get_by_label("Remarks").fill("all of them")
    await dialog.get_by_role("button", name="Return 2 invoices").dblclick()
    await expect(dialog).to_contain_text("2 of 2 returns submitted.")
    await expect(dialog.locator(".reference")).to_have_count(2)
    await expect(dialog.get_by_role("heading", name="Return selected invoices")).to_be_focused()
    await expect(dialog.get_by_role("link", name=re.compile(form[-4:]))).to_be_visible()
    assert await violations(page) == ""
    await dialog.get_by_role("link", name="Close").click()
    for number in simple[1:]:
        await expect(row(page, number)).to_contain_text("Returned")
    await expect(row(page, simple[0]).get_by_role("link", name="Return")).to_be_visible()
    await expect(page.locator("#selection")).to_contain_text("2 selected, ¥424.00")
    await page.get_by_role("button", name="Clear selection").click()
    await expect(page.locator("#selection")).to_be_hidden()
    published = await everything(site.roles.addresses.kafka, Channel.CUSTOMER.value)
    keys = [record.key for record in published]
    assert [keys.count(number.encode()) for number in (*simple, form, unknown)] == [0, 1, 1, 0, 0]


async def test_what_cannot_be_returned_any_more_harms_no_other(site: Site, page: Page) -> None:
    account = "account-of-a-race"
    first, second = [await site.invoice(account_id=account) for _ in range(2)]
    list_ = await page.context.new_page()
    await list_.goto(f"/?account_id={account}")
    for number in (first, second):
        await row(list_, number).get_by_role("checkbox").check()
    await row(list_, second).get_by_role("checkbox").focus()
    await site.posting(second, "not_recorded")
    await expect(row(list_, second)).to_contain_text("Not recorded")
    await expect(row(list_, second).get_by_role("checkbox", checked=True)).to_be_focused()
    await page.goto(f"/return-selected?number={first}&number={second}&number=26000000000000000404")
    await site.submit(ask_simply(first, account_id=account))
    await expect(list_.locator("#selection")).to_contain_text("1 selected, ¥212.00")
    await page.get_by_role("button", name="Return 2 invoices").click()
    await expect(page.locator("main")).to_contain_text("1 of 2 returns submitted.")
    await expect(page.locator("main")).to_contain_text(re.compile("already being returned|already been reversed"))
