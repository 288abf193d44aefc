"""One command per role: each runs as a process of its own until it is told to stop."""

import typer

from redletter.cli.servers import read_settings, refuse_open_api, server_addresses
from tax_simulator import patterns

role_commands = typer.Typer()

_SIMULATOR_HELP = f"""Play the tax platform and its connector.

For demos and tests. Keeps its own books: it confirms for the seller any form that a return names, issues one credit
note on it, and shows the reversal. The last six digits of an invoice number may choose another outcome. Lost answers
are requested again after REDLETTER_TAX_REPEAT_SECONDS.

{patterns.help_text()}"""


@role_commands.command()
def worker() -> None:
    """Decide commands, and write events and replies."""
    _run("worker")


@role_commands.command()
def relay() -> None:
    """Publish events, replies and dead letters exactly once.

    Any number of relays share the partitions of the log.
    """
    _run("relay")


@role_commands.command()
def projector() -> None:
    """Fold events into read models, and publish status documents."""
    _run("projector")


@role_commands.command()
def clock() -> None:
    """Send tax requests, and repeat those that are not answered."""
    _run("clock")


@role_commands.command()
def api() -> None:
    """Answer queries over HTTP, and serve the web page."""
    _run("api")


@role_commands.command("tax-simulator", help=_SIMULATOR_HELP)
def tax_simulator() -> None:
    """Play the tax platform and its connector."""
    _run("tax-simulator")


def _run(role: str) -> None:
    from redletter import logs, roles

    settings = read_settings()
    if role == "api" or settings.health_port is not None:
        refuse_open_api(settings)
    logs.configure(settings.log_level)
    raise typer.Exit(roles.run(role, server_addresses(settings), settings))
