"""One command per role: each runs as a process of its own until it is told to stop."""

import typer

from redletter.cli.servers import read_settings, server_addresses
from tax_simulator import patterns

app = typer.Typer()

_SIMULATOR_HELP = f"""Play the tax platform and its connector, for demos and tests.

Keeps its own books: it confirms for the seller any form that a return names, issues one credit note on it, and shows
the reversal. The last six digits of an invoice number may choose another outcome. Lost answers are requested again
after REDLETTER_TAX_REPEAT_SECONDS.

{patterns.help_text()}"""


@app.command()
def worker() -> None:
    """Decide commands, and write events and replies."""
    _run("worker")


@app.command()
def relay() -> None:
    """Publish events, replies and dead letters exactly once. Any number of relays share the partitions of the log."""
    _run("relay")


@app.command()
def projector() -> None:
    """Fold events into the read models, and publish status documents."""
    _run("projector")


@app.command()
def clock() -> None:
    """Send tax requests, and repeat those that are not answered."""
    _run("clock")


@app.command()
def api() -> None:
    """Answer queries over HTTP, and serve the web page."""
    _run("api")


@app.command("tax-simulator", help=_SIMULATOR_HELP)
def tax_simulator() -> None:
    """Play the tax platform and its connector."""
    _run("tax-simulator")


def _run(role: str) -> None:
    from redletter import logs, roles

    settings = read_settings()
    logs.configure(settings.log_level)
    raise typer.Exit(roles.run(role, server_addresses(settings), settings))
