"""The command line. Each module holds a family of commands; each command imports what it needs when it runs."""

import logging
import os

from local import terminal


def main() -> None:
    """Run the command that was given. Any exception becomes one sentence; at log level debug a bug shows its stack."""
    from redletter.cli.program import app

    # What libraries log is shown by the commands that configure logs; the others say it in one sentence.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app(prog_name="redletter")
    except Exception as error:
        if _is_bug(error) and os.environ.get("REDLETTER_LOG_LEVEL", "").lower() == "debug":
            raise
        terminal.print_to_stderr(f"redletter: {_reason(error)}")
        os._exit(1)  # a thread may still wait for a server that is frozen


def _is_bug(error: Exception) -> bool:
    from redletter import outages
    from redletter.time_limit import TimeLimitExceeded

    return not (isinstance(error, TimeLimitExceeded) or outages.is_outage(error))


def _reason(error: Exception) -> str:
    from redletter import outages

    sentence = outages.sentence(error)
    if _is_bug(error):
        return f"unexpected error, {type(error).__name__}: {sentence}; set REDLETTER_LOG_LEVEL=debug to see where"
    return sentence
