"""The table of returns, and the indexes of those who watch over them."""

from typing import LiteralString

from projections.engine.items_table import ItemsTable
from projections.returns.fold import ReturnItem


def returns_table(name: str = "returns") -> ItemsTable[ReturnItem]:
    """Return the table under a name."""
    columns: dict[str, LiteralString] = {
        "return_id": 'text collate "C"',
        "route": "text",
        "phase": "text",
        "requested_at": "timestamptz",
        "due_earliest": "timestamptz",
        "due_latest": "timestamptz",
        "overdue": "boolean",
        "attempts": "integer",
        "failure": "text",
        "retry_at": "timestamptz",
        "complete_at": "timestamptz",
        "ended_at": "timestamptz",
        "refusal": "text",
        "business_days_used": "integer",
    }
    indexes: tuple[LiteralString, ...] = (
        "due_latest, invoice_number) where (complete_at is null and ended_at is null",
        "account_id, due_latest, invoice_number) where (complete_at is null and ended_at is null",
    )
    return ItemsTable(name, ReturnItem, columns, indexes)
