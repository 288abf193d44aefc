"""Requesting a new invoice on the page, for charges of a returned one."""

from playwright.async_api import Page, expect

from events.commands import LinkReplacement
from events.invoice_events import ReissueRequested
from tests.browser.support.site import Site, dialog_of, faulty, row
from tests.service.support.orders import ask_simply, charge, register, replaces


async def returned(site: Site, page: Page) -> str:
    """Have an invoice returned, and see it so."""
    number = await site.invoice()
    await page.goto(f"/?q={number}")
    await site.submit(ask_simply(number))
    await expect(row(page, number)).to_contain_text("Returned")
    return number


async def test_a_new_invoice_is_requested_and_its_number_appears_by_itself(site: Site, page: Page) -> None:
    number, new = await returned(site, page), next(site.numbers)
    other = await site.invoice()
    await page.goto("/")
    await row(page, other).get_by_role("checkbox").check()  # which counts among the selected, and not here
    await row(page, number).get_by_role("link", name="Reissue").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("checkbox", checked=True)).to_have_count(2)
    await dialog.get_by_role("button", name="None").click()
    await expect(dialog.locator("output")).to_have_text("¥0.00")
    await dialog.get_by_role("button", name="All").click()
    await expect(dialog.locator("output")).to_have_text("¥212.00")
    await dialog.get_by_label(f"{number}-oss").uncheck()
    await expect(dialog.locator("output")).to_have_text("¥106.00")
    await dialog.get_by_label("Buyer", exact=True).fill("Another Company")
    await dialog.get_by_role("button", name="OK").click()
    await expect(dialog).to_be_hidden()
    await expect(page.locator("#state")).to_contain_text(f"A new invoice for charges of {number} is requested.")
    await expect(row(page, number)).to_contain_text("New invoice requested Ref. ")
    # Not by a click: the row is replaced as its status changes, and a click may fall between.
    details = await row(page, number).get_by_role("link", name="Details").get_attribute("href")
    await page.goto(details or "")
    await expect(page.locator("main")).to_contain_text("Requested ¥106.00, Another Company")
    await expect(page.get_by_role("row", name=f"{number}-ecs")).to_contain_text("New invoice requested")
    await expect(page.get_by_role("row", name=f"{number}-oss")).to_contain_text("Released")

    await site.client.until(lambda: "ReissueRequested" in site.events(number), "the request")
    (reissue_id,) = [event.reissue_id for event in site.client.of(number) if isinstance(event, ReissueRequested)]
    for command in (
        register(new, kind="general", charges=[charge(f"{number}-ecs")], replaces=replaces(number, reissue_id)),
        LinkReplacement(invoice_number=number, reissue_id=reissue_id, replacement_number=new),
    ):
        await site.submit(command)
    await expect(page.get_by_role("listitem").filter(has_text="Another Company")).to_contain_text(new)
    await page.locator(".timeline").get_by_role("link", name=new).click()
    await expect(page.locator("main")).to_contain_text("Replaces")


async def test_every_field_of_the_request_says_what_is_wrong_with_it(site: Site, page: Page) -> None:
    number = await returned(site, page)
    dialog = await dialog_of(page, number, "Reissue")
    for box in await dialog.get_by_role("checkbox").all():
        await box.uncheck()
    await dialog.get_by_label("Buyer", exact=True).fill("")
    await dialog.get_by_label("Tax ID of the buyer").fill("not one")
    await dialog.get_by_role("button", name="OK").click()
    await faulty(dialog, "Buyer", "Enter a name.")
    await expect(dialog.get_by_label("Buyer", exact=True)).to_have_value("")
    await faulty(dialog, "Tax ID of the buyer", "A tax ID has 1 to 20 letters or digits.")
    await dialog.get_by_label("Buyer", exact=True).fill("A Company")
    await dialog.get_by_label("Tax ID of the buyer").fill("")
    await dialog.get_by_role("button", name="OK").click()
    await expect(dialog.get_by_role("group")).to_have_accessible_description("Select at least one charge.")
    assert "ReissueRequested" not in site.events(number)


async def test_released_charges_wait_on_issue_invoice(site: Site, page: Page) -> None:
    number = await returned(site, page)
    await page.goto("/issue?account_id=account-1")
    await page.get_by_role("link", name=f"Issue an invoice for the charges of {number}").click()
    await expect(page.get_by_role("dialog")).to_contain_text(f"{number}-ecs")
    await page.goto("/issue?account_id=nobody")
    await expect(page.locator("main")).to_contain_text("No charges are waiting for a new invoice.")
    await expect(page.get_by_role("link", name="Show all invoices")).to_be_visible()


async def test_an_invoice_that_is_not_returned_cannot_be_reissued(site: Site, page: Page) -> None:
    number = await site.invoice()
    await page.goto(f"/reissue/{number}")
    await expect(page.locator("main")).to_contain_text("This invoice has not been returned. Return it first.")
    await expect(page.get_by_role("button", name="OK")).to_have_count(0)
