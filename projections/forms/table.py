"""The table of forms: a row for each form and each invoice that it was ever named for."""

from typing import LiteralString

from projections.forms.fold import NamedForm
from projections.items_table import ItemsTable


def forms_table(name: str = "forms") -> ItemsTable[NamedForm]:
    """Return the table under a name."""
    columns: dict[str, LiteralString] = {
        "number": 'text collate "C"',
        "state": "text",
        "active": "boolean",
        "told": "text",
        "claimed_at": "timestamptz",
    }
    return ItemsTable(name, NamedForm, columns, ("number",))
