"""Of several rows of an invoice those are written that its events have changed."""

from typing import NamedTuple

from projections.engine.items import Items


class Kept(NamedTuple):
    """A row of an invoice."""

    key: str
    value: int


A, B = Kept("a", 1), Kept("b", 1)


def items(version: int, *of_one: Kept) -> Items[Kept]:
    return Items("1", "account", version, {item.key: item for item in of_one})


def test_all_items_of_an_invoice_that_is_new_are_written_in_order_of_their_keys() -> None:
    assert items(1, B, A).since(None) == [A, B]


def test_an_item_that_is_new_or_has_changed_is_written_and_no_other() -> None:
    changed = B._replace(value=2)
    assert items(2, A, changed, Kept("c", 1)).since(items(1, A, B)) == [changed, Kept("c", 1)]


def test_an_event_that_changes_no_item_writes_none() -> None:
    before = items(1, A)
    assert Items("1", "account", 2, before.items).since(before) == ()
