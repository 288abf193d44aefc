"""The projector with a bug: run as a program, it cannot fold the credit note of one invoice into the details."""

import sys
from typing import Any

from events.invoice_events import CreditNoteIssued
from projections import catalogue
from redletter.cli import main

UNFOLDABLE = f"26{5_000_000:018d}"
"""The number of that invoice."""


def break_folds() -> None:
    """Put the bug into this process."""
    fold = catalogue.details.fold

    def failing(row: Any, event: Any, version: int) -> Any:
        if event.invoice_number == UNFOLDABLE and isinstance(event, CreditNoteIssued):
            raise RuntimeError("an injected bug")
        return fold(row, event, version)

    catalogue.details.fold = failing


if __name__ == "__main__":
    break_folds()
    sys.argv = ["redletter", "projector"]
    main()
