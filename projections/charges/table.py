"""The table of charges: a row for each charge on each invoice it was ever on."""

from typing import LiteralString

from projections.charges.fold import ChargeItem
from projections.engine.items_table import ItemsTable


def charges_table(name: str = "charges") -> ItemsTable[ChargeItem]:
    """Return the table under a name."""
    columns: dict[str, LiteralString] = {
        "charge_id": 'text collate "C"',
        "amount": "text",
        "state": "text",
        "reissue_id": "text",
        "released_at": "timestamptz",
    }
    indexes = ("charge_id", "state, charge_id", "account_id, state, charge_id")
    return ItemsTable(name, ChargeItem, columns, indexes)
