"""Returning an invoice on the page, from the click to Returned."""

import json
from collections.abc import Mapping

from playwright.async_api import Browser, Locator, Page, Request, Route, expect

from events.topics import Channel
from tests.browser.support.chromium import WITHIN
from tests.browser.support.site import Site, dialog_of, faulty, row
from tests.faults.support.evidence import everything
from tests.service.support.orders import ask_return
from web.console import labels

FORM = "Red-font Confirmation Form number"
REASON, REMARKS = "Reason for return", "Remarks"


async def fill(dialog: Locator, fields: Mapping[str, str]) -> None:
    for label, value in fields.items():
        field = dialog.get_by_label(label)
        await (field.select_option(value) if label == REASON else field.fill(value))


async def submit(dialog: Locator) -> None:
    await dialog.get_by_role("button", name="OK").click()


async def test_a_general_invoice_is_returned_from_the_click_to_returned(site: Site, page: Page) -> None:
    number = await site.invoice()
    dialog = await dialog_of(page, number, "Return")
    await expect(dialog).to_contain_text("Blue-letter Invoice Posting Status")
    await expect(dialog.get_by_label(FORM)).to_have_count(0)
    await submit(dialog)
    await expect(dialog).to_be_hidden()
    await expect(page.locator("#state")).to_contain_text(f"The return of {number} is submitted.")
    await expect(row(page, number)).to_contain_text("Returned")
    await expect(row(page, number).get_by_role("link", name="Reissue")).to_be_visible()
    assert site.events(number)[1] == "ReturnRequested"
    assert site.events(number)[-1] == "InvoiceReturned"


async def test_a_recorded_invoice_is_returned_with_a_form_from_the_click_to_returned(site: Site, page: Page) -> None:
    number = await site.invoice("recorded")
    dialog = await dialog_of(page, number, "Return")
    await expect(dialog).to_contain_text("Recorded")
    await fill(dialog, {FORM: next(site.forms), REASON: "wrong_amount", REMARKS: "please"})
    await dialog.get_by_role("button", name="Insert the original number into the remarks").click()
    await expect(dialog.get_by_label(REMARKS)).to_have_value(f"please {number}")
    await submit(dialog)
    await expect(row(page, number)).to_contain_text("Returned")
    asked = next(event for event in site.client.of(number) if type(event).__name__ == "ReturnRequested")
    assert json.loads(asked.model_dump_json())["reason"] == "wrong_amount"


async def test_every_field_says_what_is_wrong_with_it_and_keeps_what_was_entered(site: Site, page: Page) -> None:
    number = await site.invoice("recorded")
    used = next(site.forms)
    other = await site.invoice("recorded")
    await site.submit(ask_return(other, red_font_form_number=used))
    dialog = await dialog_of(page, number, "Return")

    await submit(dialog)
    await faulty(dialog, FORM, labels.REFUSAL["RED_FONT_FORM_NUMBER_REQUIRED"])
    await faulty(dialog, REASON, "Select a reason for the return.")
    await faulty(dialog, REMARKS, "The remarks must include the original invoice number.")
    await expect(dialog.get_by_label(FORM)).to_be_focused()

    await fill(dialog, {FORM: "33-1", REASON: "other", REMARKS: number + "x" * 400})
    await submit(dialog)
    await faulty(dialog, FORM, "The number must have exactly 20 digits. Copy it from the form.")
    await faulty(dialog, REMARKS, "Remarks can have at most 382 characters.")
    await expect(dialog.get_by_label(FORM)).to_have_value("33-1")
    await expect(dialog.get_by_label(REASON)).to_have_value("other")

    await fill(dialog, {FORM: used, REMARKS: f"{number[:8]}\u200b{number[8:]}"})
    await submit(dialog)
    await expect(dialog).to_contain_text("U+200B ZERO WIDTH SPACE")

    await fill(dialog, {FORM: used, REMARKS: number})
    await submit(dialog)
    await faulty(dialog, FORM, labels.REFUSAL["RED_FONT_FORM_ALREADY_USED"])
    await expect(dialog.get_by_label(REMARKS)).to_have_value(number)
    assert "ReturnRequested" not in site.events(number)


async def test_a_double_click_sends_one_command(site: Site, page: Page) -> None:
    number = await site.invoice()
    dialog = await dialog_of(page, number, "Return")
    await dialog.get_by_role("button", name="OK").dblclick()
    await expect(row(page, number)).to_contain_text("Returned")
    published = await everything(site.roles.addresses.kafka, Channel.CUSTOMER.value)
    assert [record.key for record in published].count(number.encode()) == 1


async def test_two_clicks_without_the_script_send_one_command_once(site: Site, browser: Browser) -> None:
    number = await site.invoice()
    context = await browser.new_context(base_url=site.url, java_script_enabled=False)
    context.set_default_timeout(WITHIN)
    try:
        page = await context.new_page()
        await page.goto(f"/return/{number}")
        await page.get_by_role("button", name="OK").dblclick()
        await page.wait_for_url(f"**/details/{number}?*")
        await expect(page.get_by_role("heading", name="Invoicing Record Details")).to_be_visible()
    finally:
        await context.close()
    assert site.events(number).count("ReturnRequested") == 1


async def test_the_form_asks_without_the_script_too(site: Site, browser: Browser) -> None:
    number = await site.invoice("recorded")
    context = await browser.new_context(base_url=site.url, java_script_enabled=False, locale="en-GB")
    context.set_default_timeout(WITHIN)
    try:
        page = await context.new_page()
        await page.goto(f"/return/{number}")
        await page.get_by_role("button", name="OK").click()
        await faulty(page.locator("main"), REASON, "Select a reason for the return.")
    finally:
        await context.close()


async def test_the_open_dialog_follows_a_posting_status_that_changes(site: Site, page: Page) -> None:
    number = await site.invoice("not_recorded")
    dialog = await dialog_of(page, number, "Return")
    await expect(dialog.get_by_label(FORM)).to_have_count(0)
    await dialog.get_by_label(REMARKS).fill("half a sent")
    await site.posting(number, "recorded")
    await expect(dialog.get_by_label(FORM)).to_be_visible()
    await expect(dialog.get_by_label(REMARKS)).to_have_value("half a sent")
    await expect(dialog.get_by_label(REMARKS)).to_be_focused()


async def test_the_dialog_of_an_unknown_posting_status_continues_once_it_is_known(site: Site, page: Page) -> None:
    number = await site.invoice(kind="special")
    dialog = await dialog_of(page, number, "Return")
    await expect(dialog).to_contain_text("Your finance department sees it in the electronic tax system.")
    await expect(dialog.get_by_role("button", name="OK")).to_have_count(0)
    await site.posting(number, "not_recorded")
    await expect(dialog.get_by_role("button", name="OK")).to_be_visible()


async def test_a_form_that_missed_a_change_is_refused_and_shown_as_it_is_now(site: Site, page: Page) -> None:
    async def unheard(route: Route, _: Request) -> None:
        await route.fulfill(content_type="text/event-stream", body="retry: 600000\n\n")

    await page.route("**/stream*", unheard)
    number = await site.invoice("not_recorded")
    dialog = await dialog_of(page, number, "Return")
    await site.posting(number, "recorded")
    await submit(dialog)
    await expect(dialog.get_by_role("alert")).to_contain_text("The posting status has changed.")
    await expect(dialog.get_by_label(FORM)).to_be_visible()


async def test_a_refusal_by_the_tax_side_shows_its_reason(site: Site, page: Page) -> None:
    number = await site.invoice("recorded", number="26110000000099999907")
    dialog = await dialog_of(page, number, "Return")
    await fill(dialog, {FORM: next(site.forms), REASON: "wrong_amount", REMARKS: number})
    await submit(dialog)
    await expect(row(page, number)).to_contain_text("Return refused: The form has expired.")
    await expect(row(page, number).get_by_role("link", name="Return")).to_be_visible()
    await page.goto(f"/details/{number}")
    await expect(page.locator(".outcome")).to_contain_text("The return was refused. The form has expired.")
    await expect(page.locator(".timeline")).to_contain_text("Return refused")


async def test_a_return_advances_while_the_page_is_loaded_again(site: Site, page: Page) -> None:
    number = await site.invoice(number="26110000000099999941")  # its answers take 5 seconds each
    dialog = await dialog_of(page, number, "Return")
    await submit(dialog)
    await expect(row(page, number)).to_contain_text("Return in progress")
    reference = await row(page, number).locator(".reference").inner_text()
    await expect(page.locator("#state")).to_contain_text(reference)
    await page.reload()
    await expect(row(page, number)).to_contain_text(f"Return in progress {reference}")
    await expect(row(page, number)).to_contain_text("3 business days left")
    await expect(row(page, number).get_by_role("link", name="Return")).to_have_count(0)
    await row(page, number).get_by_role("link", name="Details").click()
    await expect(page.locator(".timeline")).to_contain_text("Return due")
    await expect(page.locator(".heading")).to_contain_text("Returned")
    await expect(page.locator(".timeline")).to_contain_text("Return complete")
    await expect(page.locator(".outcome")).to_contain_text("This invoice is void")
