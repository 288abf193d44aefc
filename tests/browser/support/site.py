"""The system that is looked at, and the commands that other services send it during a test."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from events.commands import AnyCommand
from tests.end_to_end.support.client import Answered, Client
from tests.faults.support.roles import Roles
from tests.service.support.orders import charge, observe, register
from tests.support.waiting import until


def _numbers() -> Iterator[str]:
    return (f"26110000000000{index:06d}" for index in count(1))


def _forms() -> Iterator[str]:
    return (f"33010026110000{index:06d}" for index in count(1))


@dataclass(frozen=True, slots=True)
class Site:
    """The page's address, and billing and the tax platform beside it."""

    http: httpx.AsyncClient
    client: Client
    roles: Roles
    numbers: Iterator[str] = field(default_factory=_numbers)
    forms: Iterator[str] = field(default_factory=_forms)

    @property
    def url(self) -> str:
        """Where the page is."""
        return str(self.http.base_url)

    async def invoice(self, posting: str | None = None, *, number: str | None = None, **but: Any) -> str:
        """Register an invoice with two charges, newer than all before, and return its number once the page has it."""
        number = number or next(self.numbers)
        charges = [charge(f"{number}-ecs"), charge(f"{number}-oss")]
        await self.submit(register(number, **{"kind": "special" if posting else "general", "charges": charges} | but))
        if posting:
            await self.posting(number, posting)
        return number

    async def posting(self, number: str, status: str) -> None:
        """Let the posting status of an invoice be observed."""
        await self.submit(observe(status, number, observed_at=datetime.now(UTC)))

    async def submit(self, command: AnyCommand) -> Answered:
        """Publish a command that is accepted, and wait until the page has it."""
        answered = await self.client.submit(command)
        assert "code" not in answered.reply, answered.reply
        number, version = command.invoice_number, answered.reply["invoice_version"]
        # The list, the details and the timeline are read from read models of their own.
        for path in (f"/invoices/{number}", f"/invoices/{number}/history"):
            (await self.http.get(path, params={"min_version": version, "wait": 30})).raise_for_status()
        await until(lambda: self._is_listed(number, version), lambda: f"the list lacks {number} at version {version}")
        return answered

    async def _is_listed(self, number: str, version: int) -> bool:
        shown = (await self.http.get(f"/rows/{number}", params={"min_version": version})).text
        found = re.search(r'data-version="(\d+)"', shown)
        return found is not None and int(found[1]) >= version

    def events(self, number: str) -> list[str]:
        """Return the names of an invoice's events that have been published."""
        return [type(event).__name__ for event in self.client.of(number)]


def row(page: Page, number: str) -> Locator:
    """Return the line of an invoice."""
    return page.locator(f"#row-{number}")


async def dialog_of(page: Page, number: str, action: str) -> Locator:
    """Open the dialog of an invoice from its line."""
    await page.goto(f"/?q={number}")
    await row(page, number).get_by_role("link", name=action).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    return dialog


async def faulty(dialog: Locator, label: str, sentence: str) -> None:
    """Expect that a field says what is wrong with it, to screen readers too."""
    field_ = dialog.get_by_label(re.compile(f"^{label}"))
    await expect(field_).to_have_attribute("aria-invalid", "true")
    await expect(field_).to_have_accessible_description(sentence)


async def violations(page: Page) -> str:
    """Return what axe-core finds wrong with a page, of any weight."""
    found = await Axe().run(page)
    return found.generate_report() if found.violations_count else ""
