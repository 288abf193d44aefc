"""What the address of the list says: the filters of the api, and which tab is open."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import model_validator

from projections.answers import Accounts
from projections.invoices.filters import InvoiceFilter
from projections.invoices.standing import DUE, STANDINGS, Standing
from web.api.invoices import NEAR_DUE, ListQuery

Tab = Literal["in_progress", "attention", "ended"]
TABS: tuple[Tab | None, ...] = (None, "in_progress", "attention", "ended")
"""In their order; the first shows all."""
_OF_TAB: Mapping[Tab, tuple[Standing, ...]] = {
    "in_progress": DUE,
    "attention": ("refused", *DUE),
    "ended": (*STANDINGS["reversed_with_credit_note"], *STANDINGS["returned"]),
}
_ORDER = {"tab", "sort", "cursor", "limit", "lang"}
"""What does not narrow a tab."""


class Shown(ListQuery):
    """What the address says of the list: an empty field of the form does not filter."""

    tab: Tab | None = None
    lang: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: Mapping[str, str]) -> Mapping[str, str]:
        return {name: value.strip() for name, value in given.items() if value.strip()}

    @property
    def filters(self) -> bool:
        """Whether anything but the tab narrows the list."""
        return bool(self.model_dump(exclude=_ORDER, exclude_none=True))

    def wanted(self, accounts: Accounts, now: datetime) -> InvoiceFilter:
        """Return the filter of the tab that is open."""
        return self.of_tab(self.tab, accounts, now)

    def of_tab(self, tab: Tab | None, accounts: Accounts, now: datetime) -> InvoiceFilter:
        """Return the filter of a tab. What needs attention was refused, or is overdue, or is due soon."""
        every = super().wanted(accounts, now)
        if tab is None:
            return every
        return replace(every.only(_OF_TAB[tab]), due_before=now + NEAR_DUE if tab == "attention" else every.due_before)
