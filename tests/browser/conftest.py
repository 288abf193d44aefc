"""A whole system with its page, and a real browser that looks at it."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.support.chromium import WITHIN, executable
from tests.browser.support.scopes import each, together
from tests.browser.support.site import Site
from tests.end_to_end.support.client import connected
from tests.end_to_end.support.system import system
from tests.support.fresh_system import fresh
from transport.addresses import Addresses

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this folder share one event loop, as they share the system and the browser."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@together
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium."""
    expect.set_options(timeout=WITHIN)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield browser
        await browser.close()


@together
async def site(
    servers: Addresses, template: str, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """Start every role, with the tax simulator."""
    assert browser.is_connected()
    logs = tmp_path_factory.mktemp("logs")
    roles = ("worker", "relay", "projector", "clock", "api", "tax-simulator")
    async with (
        fresh(servers, template) as own,
        system(own, logs, *roles) as (running, http),
        connected(own.kafka) as client,
    ):
        yield Site(http, client, running)


@each
async def context(site: Site, browser: Browser) -> AsyncIterator[BrowserContext]:
    """Open a browser of a reader in Shanghai who prefers English, and let nobody in it fail unseen."""
    context = await browser.new_context(
        base_url=site.url,
        viewport={"width": 1280, "height": 800},
        locale="en-GB",
        timezone_id="Asia/Shanghai",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(WITHIN)
    seen: list[str] = []
    context.on("console", lambda message: seen.append(message.text) if message.type in {"error", "warning"} else None)
    context.on("weberror", lambda error: seen.append(str(error.error)))
    asked: set[str] = set()
    context.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    yield context
    await context.close()
    assert seen == [], "the browser's console is empty"
    assert asked <= {urlsplit(site.url).netloc}, "nothing is loaded from other hosts"


@each
async def page(context: BrowserContext) -> Page:
    """Open a page of that browser."""
    return await context.new_page()
