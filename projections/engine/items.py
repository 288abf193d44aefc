"""What read models with several rows per invoice, such as its charges, share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from events.invoice_events import AnyInvoiceEvent, InvoiceIssued
from projections.engine.version_gaps import VersionGap, is_next

Item = TypeVar("Item", bound=NamedTuple)
ItemChanges = Callable[[Mapping[str, Item], AnyInvoiceEvent], Mapping[str, Item]]
"""(items, event) -> the items that are new or have changed, by key."""


@dataclass(frozen=True, slots=True)
class Items(Generic[Item]):
    """What an invoice has of a kind, by key."""

    invoice_number: str
    account_id: str
    version: int
    items: Mapping[str, Item]

    def since(self, before: "Items[Item] | None") -> Sequence[Item]:
        """Return the items that are new or have changed since the invoice had those of ``before``, sorted by key."""
        known: Mapping[str, Item] = before.items if before else {}
        if self.items is known:
            return ()
        return [item for key, item in sorted(self.items.items()) if known.get(key) is not item]


def folding(
    changes: ItemChanges[Item],
) -> Callable[[Items[Item] | None, AnyInvoiceEvent, int], Items[Item]]:
    """Return the fold that applies to an invoice's items what ``changes`` returns for each event."""

    def fold(row: Items[Item] | None, event: AnyInvoiceEvent, version: int) -> Items[Item]:
        if row is None:
            row = _first(event, version)
        elif not is_next(row.invoice_number, row.version, version):
            return row
        changed = changes(row.items, event)
        items = {**row.items, **changed} if changed else row.items
        return Items(row.invoice_number, row.account_id, version, items)

    return fold


def _first(event: AnyInvoiceEvent, version: int) -> Items[Any]:
    if version != 1 or not isinstance(event, InvoiceIssued):
        raise VersionGap(event.invoice_number, 0, version)
    return Items(event.invoice_number, event.account_id, 0, {})
