"""The table of forms: a row for each form and each invoice that it was ever named for."""

from typing import LiteralString

from projections.engine.items_table import ItemsTable
from projections.forms.fold import FormItem


def forms_table(name: str = "forms") -> ItemsTable[FormItem]:
    """Return the table under a name."""
    columns: dict[str, LiteralString] = {
        "number": 'text collate "C"',
        "state": "text",
        "active": "boolean",
        "told": "text",  # the stored name of ``reported``
        "claimed_at": "timestamptz",
    }
    return ItemsTable(name, FormItem, columns, ("number",))
