"""Every page in every state: nothing is cut at any width in either language, and axe finds nothing in either scheme."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from events.values import Buyer
from tests.browser.support.chromium import WITHIN
from tests.browser.support.site import Site, row, violations
from tests.service.support.orders import ask_return, ask_simply, charge
from tests.support.waiting import until

WIDTHS = (320, 390, 768, 1024, 1280, 1920)
ACCOUNT = "account-of-every-state-" + "x" * 41
IN_ENGLISH = {"Accept-Language": "en", "Accept": "text/html"}
EXPIRED, FAILING = "26110000000299999907", "26110000000299999945"
CUT = """() => {
    const wide = document.documentElement.clientWidth;
    const said = document.documentElement.scrollWidth > wide ? ["the page"] : [];
    const dialog = document.querySelector("dialog[open]");
    const isHidden = (one) => one && (getComputedStyle(one).clipPath.includes("50%") || isHidden(one.parentElement));
    for (const one of (dialog ?? document).querySelectorAll("*")) {
        const box = one.getBoundingClientRect();
        const isSeen = one.checkVisibility() && box.width && !one.closest("svg, .skip, option") && !isHidden(one);
        if (!isSeen) continue;
        const shows = getComputedStyle(one).overflowX === "visible" || one.matches("input, select, textarea, body");
        const cut = !shows && one.scrollWidth > one.clientWidth + 1 && !one.closest("[title]");
        const sticksOut = box.left < -1 || box.right > wide + 1;
        if (cut || sticksOut) said.push(`${one.tagName} ${one.textContent.trim().slice(0, 60)}`);
    }
    const button = dialog?.querySelector(".buttons button");
    if (button && button.getBoundingClientRect().bottom > innerHeight) said.push("the dialog's button");
    return said;
}"""
"""What sticks out of the screen, or of what shows it. What is shortened on purpose has its whole text as a title."""


class Known(NamedTuple):
    """Invoices of one account, by how they are."""

    issued: str
    recorded: str
    unknown: str
    returned: str
    refused: str
    in_progress: str


Reach = Callable[[Page, Known], Awaitable[None]]


def at(path: str, landmark: str) -> Reach:
    """Return what opens a page. landmark: selects what its main part must show."""

    async def reach(page: Page, known: Known) -> None:
        await page.goto(path.format(account=ACCOUNT, **known._asdict()))
        await expect(page.locator("main").locator(landmark).first).to_be_visible()

    return reach


def submitted(path: str, *cleared: str) -> Reach:
    """Return what opens a form, clears some of its fields, and submits it with everything that is wrong with it."""

    async def reach(page: Page, known: Known) -> None:
        await page.goto(path.format(**known._asdict()))
        for box in await page.locator("main form input[type=checkbox]").all():
            await box.uncheck()
        for name in cleared:
            await page.locator(f"[name='{name}']").fill("")
        await page.locator(".buttons button").click()
        await expect(page.locator("main .fault").first).to_be_visible()

    return reach


def dialog(action: str) -> Reach:
    """Return what opens a dialog from the list."""

    async def reach(page: Page, known: Known) -> None:
        path = action.format(**known._asdict())
        await page.goto(f"/?account_id={ACCOUNT}")
        await page.locator(f"#list a[href='{path}']").click()
        await expect(page.get_by_role("dialog")).to_be_visible()

    return reach


async def columns(page: Page, known: Known) -> None:
    await at("/?kind=general&account_id={account}", "tbody tr")(page, known)
    await page.locator("[data-columns] summary").click()
    await expect(page.locator("[data-columns] fieldset")).to_be_visible()


async def selected(page: Page, known: Known) -> None:
    await at("/?account_id={account}", "tbody tr")(page, known)
    for number in (known.issued, known.recorded, known.unknown):
        await row(page, number).get_by_role("checkbox").check()
    await expect(page.locator("#selection")).to_be_visible()


async def together(page: Page, known: Known) -> None:
    await selected(page, known)
    await page.locator("#selection button").first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()


async def not_there(page: Page, _: Known) -> None:
    async def as_found(route: Route) -> None:  # browsers report other answers on their console
        await route.fulfill(response=await route.fetch(), status=200)

    await page.route("**/details/26000000000000000404", as_found)
    await page.goto("/details/26000000000000000404")
    await expect(page.locator("main h1")).to_be_visible()


STATES: Mapping[str, Reach] = {
    "list": at("/?account_id={account}", "tbody tr"),
    "nothing found": at("/?q=99999999", ".empty"),
    "too few digits": at("/?q=123", "#fault-q"),
    "no amount": at("/?amount_from=x", "#fault-amount"),
    "an address that is not valid": at("/?status=lost", ".fault a"),
    "columns": columns,
    "selected": selected,
    "selected, dialog": together,
    "details, issued": at("/details/{issued}", ".badge.issued"),
    "details, returned": at("/details/{returned}", ".badge.returned"),
    "details, refused": at("/details/{refused}", ".outcome .late"),
    "details, in progress": at("/details/{in_progress}", "[data-details]"),
    "return, dialog": dialog("/return/{recorded}"),
    "return, with faults": submitted("/return/{recorded}"),
    "return, unknown": at("/return/{unknown}", ".notice"),
    "return, not now": at("/return/{returned}", ".notice .badge"),
    "reissue, dialog": dialog("/reissue/{returned}"),
    "reissue, with faults": submitted("/reissue/{returned}", "buyer.name"),
    "issue": at("/issue?account_id={account}", "tbody tr"),
    "issue, nothing": at("/issue?account_id=nobody", ".empty"),
    "board": at("/board", "h1"),
    "dead letters": at("/board/dead-letters", "h1"),
    "topics": at("/asyncapi", "tbody tr"),
    "message": at("/asyncapi/ReturnRefused.v1", "dl"),
    "not there": not_there,
}
IN_CHINESE = ("list", "columns", "selected, dialog", "details, returned", "return, with faults", "issue", "board")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(site: Site) -> Known:
    """Have an invoice of each kind, with names and descriptions that are hard to show, and wait until it is so."""
    long = {"account_id": ACCOUNT, "buyer": Buyer(name="Unbroken" * 25, tax_id="91330100111111111X")}
    documents = tuple({"format": one, "url": f"https://files.example/{one}"} for one in ("pdf", "ofd", "xml"))

    async def invoice(posting: str | None = None, number: str | None = None, **but: object) -> str:
        number = number or next(site.numbers)
        charges = [charge(f"{number}-1"), charge(f"{number}-2").model_copy(update={"description": "d" * 300})]
        return await site.invoice(posting, number=number, **{**long, "charges": charges, "documents": documents} | but)

    returned = await invoice()
    await site.submit(ask_simply(returned, account_id=ACCOUNT))
    for number in (EXPIRED, FAILING):
        await invoice("recorded", number)
        await site.submit(ask_return(number, account_id=ACCOUNT, red_font_form_number=next(site.forms)))
    unknown = await invoice(kind="special")
    for path, words in (
        (f"/rows/{returned}", "Returned"),
        (f"/details/{returned}", "Returned"),
        (f"/issue?account_id={ACCOUNT}", returned),
        (f"/rows/{EXPIRED}", "Return refused"),
        (f"/details/{EXPIRED}", "The return was refused."),
    ):
        await until(lambda: shows(site, path, words), lambda: f"{path} does not show {words}")  # noqa: B023 - called at once
    return Known(await invoice(), await invoice("recorded"), unknown, returned, EXPIRED, FAILING)


async def shows(site: Site, path: str, words: str) -> bool:
    return words in (await site.http.get(path, headers=IN_ENGLISH)).text


@pytest.mark.parametrize("state", STATES)
async def test_nothing_is_cut_and_axe_finds_nothing(page: Page, known: Known, state: str) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await STATES[state](page, known)
    found = {scheme: await seen_by_axe(page, scheme) for scheme in ("light", "dark")}
    assert found == {"light": "", "dark": ""}
    assert await cut(page) == {}


@pytest.mark.parametrize("state", IN_CHINESE)
async def test_nothing_is_cut_in_chinese(site: Site, browser: Browser, known: Known, state: str) -> None:
    context = await browser.new_context(base_url=site.url, locale="zh-CN", timezone_id="Asia/Shanghai")
    context.set_default_timeout(WITHIN)
    try:
        page = await context.new_page()
        await STATES[state](page, known)
        assert await cut(page) == {}
    finally:
        await context.close()


async def seen_by_axe(page: Page, scheme: Literal["light", "dark"]) -> str:
    await page.emulate_media(color_scheme=scheme)
    return await violations(page)


async def cut(page: Page) -> Mapping[int, object]:
    """Return what is cut of a page at each width, and still is when one looks again: news may come in between."""
    found: dict[int, object] = {}
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        if await page.evaluate(CUT) and (said := await page.evaluate(CUT)):
            found[width] = said
    return found
