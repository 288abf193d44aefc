"""A reader logs in with an OpenID provider, works, and logs out, on a page without TLS on this machine."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
from playwright.async_api import Browser, Error, Page, expect

from local import ports
from tests.browser.support.chromium import WITHIN
from tests.browser.support.scopes import each
from tests.browser.support.site import Site, row
from tests.faults.support.roles import Roles
from tests.support.waiting import until
from tests.web.support.openid_provider import openid_provider


@each
async def page(site: Site, browser: Browser, tmp_path: Path) -> AsyncIterator[Page]:
    """Open a browser whose reader is not logged in, of an api that asks who they are."""
    (port,) = ports.free(1)
    origin = f"http://127.0.0.1:{port}"
    with openid_provider(origin) as provider:
        settings = {
            "REDLETTER_API_PORT": str(port),
            "REDLETTER_AUTH": "oidc",
            "REDLETTER_OIDC_ISSUER": provider.issuer.url,
            "REDLETTER_OIDC_AUDIENCE": provider.issuer.audience,
            "REDLETTER_OIDC_CLIENT_ID": "page",
            "REDLETTER_OIDC_CLIENT_SECRET": "secret",
        }
        roles = Roles(site.roles.addresses, tmp_path, settings)
        roles.start("api")
        context = await browser.new_context(base_url=origin, locale="en-GB")
        context.set_default_timeout(WITHIN)
        try:
            page = await context.new_page()
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=8), timeout=60) as http:
                await http.get(f"{origin}/livez")
            yield page
        finally:
            await context.close()
            roles.leave()


async def log_in(page: Page, person: str) -> None:
    """Fill in what the provider asks for."""
    await page.locator("[name=login]").fill(person)
    await page.locator("[name=password]").fill("any")
    await page.get_by_role("button").click()
    await page.get_by_role("button").click()  # agrees that the page may know who they are


async def _sees_no_session(page: Page) -> bool:
    """Return whether a script of the page sees no cookie of the session."""
    with suppress(Error):  # the page is just loading again
        return await page.evaluate("document.cookie.includes('session')") is False
    return False


async def test_a_reader_logs_in_works_and_logs_out(site: Site, page: Page) -> None:
    theirs, other, mine = [await site.invoice(account_id=account) for account in ("theirs", "mine", "mine")]
    await page.goto("/?lang=en")
    await log_in(page, "ann")
    await expect(page).to_have_url("/?lang=en")
    await expect(row(page, mine)).to_be_visible()
    await expect(row(page, theirs)).to_have_count(0)
    await expect(page.get_by_role("banner")).to_contain_text("Ann Li")
    await until(lambda: _sees_no_session(page))

    await row(page, mine).get_by_role("link", name="Return").click()
    await page.get_by_role("dialog").get_by_role("button", name="OK").click()
    await expect(row(page, mine)).to_contain_text("Returned")
    asked = next(event for event in site.client.of(mine) if type(event).__name__ == "ReturnRequested")
    assert json.loads(asked.model_dump_json())["requested_by"] == "ann"

    await page.get_by_role("combobox", name="Account").fill("mi")
    await expect(page.locator("#accounts option")).to_have_attribute("value", "mine")
    await page.get_by_role("combobox", name="Account").fill("")
    await row(page, other).get_by_role("checkbox").check()
    await page.get_by_role("button", name="Return selected").click()
    await page.get_by_role("dialog").get_by_role("button", name="Return 1 invoice").click()
    await expect(page.get_by_role("dialog")).to_contain_text("1 of 1 returns submitted.")
    await page.get_by_role("dialog").get_by_role("link", name="Close").click()

    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading")).to_have_text("You are logged out")
    await page.goto("/")
    await expect(page.get_by_role("banner")).to_contain_text("Ann Li")  # the provider still knows them


async def test_a_page_that_was_left_open_leads_to_logging_in_again(site: Site, page: Page) -> None:
    number = await site.invoice(account_id="mine")
    await page.goto("/")
    await log_in(page, "ann")
    await expect(row(page, number)).to_be_visible()
    await page.context.clear_cookies()
    await expect(page.locator("[name=login]")).to_be_visible()  # it asks every few seconds, and then knows
