"""Exit codes, and the one way to end a command with a reason."""

from typing import NoReturn

import typer

from local import terminal

FAILED = 1
"""Exit code of a command that could not do its work, or found something wrong."""
USAGE_ERROR = 2
"""Exit code of a usage error, the same as typer's."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells: 128 + SIGINT."""


def exit_with(reason: str, code: int) -> NoReturn:
    """End the command with one sentence on standard error, and an exit code."""
    terminal.print_to_stderr(f"redletter: {' '.join(reason.split())}")
    raise typer.Exit(code)
