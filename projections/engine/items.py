"""What read models with several rows per invoice, such as its charges, share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from events.invoice_events import AnyInvoiceEvent, InvoiceIssued
from projections.engine.version_gaps import VersionGap, is_next

Item = TypeVar("Item", bound=NamedTuple)
ItemChanges = Callable[[Mapping[str, Item], AnyInvoiceEvent], Mapping[str, Item]]
"""(items, event) -> the items that are new or have changed, by key."""


@dataclass(frozen=True, slots=True)
class Items(Generic[Item]):
    """What an invoice has of a kind, by key. changed: the keys that are not written yet."""

    invoice_number: str
    account_id: str
    version: int
    items: Mapping[str, Item]
    changed: frozenset[str] = frozenset()


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
        if not changed:
            return Items(row.invoice_number, row.account_id, version, row.items, row.changed)
        items = {**row.items, **changed}
        return Items(row.invoice_number, row.account_id, version, items, row.changed | changed.keys())

    return fold


def _first(event: AnyInvoiceEvent, version: int) -> Items[Any]:
    if version != 1 or not isinstance(event, InvoiceIssued):
        raise VersionGap(event.invoice_number, 0, version)
    return Items(event.invoice_number, event.account_id, 0, {})
