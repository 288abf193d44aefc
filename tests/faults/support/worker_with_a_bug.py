"""The worker with a bug: run as a program, it raises whenever it decides about an invoice of a certain range."""

import sys
from typing import Any

from redletter.cli import main
from service.worker import deciding

BROKEN = range(5_000_000, 6_000_000)
"""The numbers of invoices, without the year, whose decisions raise."""


def break_decisions() -> None:
    """Put the bug into this process."""
    decide = deciding.decide

    def failing(state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if int(command.invoice_number[2:]) in BROKEN:
            raise RuntimeError("an injected bug")
        return decide(state, claims, command, moment)

    deciding.decide = failing


if __name__ == "__main__":
    break_decisions()
    sys.argv = ["redletter", "worker"]
    main()
