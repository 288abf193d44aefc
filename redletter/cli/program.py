"""All commands, in the order of the help."""

from typing import Annotated

import typer

from local import terminal
from redletter.cli.contract import contract_commands
from redletter.cli.dead_letters import dead_letter_commands
from redletter.cli.erasing import erasing_commands
from redletter.cli.integrating import integration_commands
from redletter.cli.invoices import invoice_commands
from redletter.cli.parked import parking_commands
from redletter.cli.positions import position_commands
from redletter.cli.read_models import read_model_commands
from redletter.cli.reconcile import reconcile_commands
from redletter.cli.rights import right_commands
from redletter.cli.roles import role_commands
from redletter.cli.system import system_commands

app = typer.Typer(
    help="""Redletter returns, reverses and reissues electronic invoices.

    Start everything on this machine:  redletter up

    Send commands, one JSON line each: redletter send commands.jsonl

    Show an invoice's status:          redletter status 26312000000000000001

    Settings come from the environment: REDLETTER_DATA_DIR, REDLETTER_API_PORT, REDLETTER_KAFKA_BOOTSTRAP_SERVERS,
    REDLETTER_DATABASE_URL and others. Without the last two, every command finds the running `up` by its data folder.
    """,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - an option
    if asked:
        from importlib.metadata import version

        terminal.print_line(f"redletter {version('redletter')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself."""


app.add_typer(system_commands)
app.add_typer(invoice_commands)
app.add_typer(integration_commands)
app.add_typer(contract_commands)
app.add_typer(role_commands)
app.add_typer(right_commands)
app.add_typer(read_model_commands, name="projections", short_help="Look after the read models.")
app.add_typer(dead_letter_commands, name="dead-letters", short_help="Look after records that could not be read.")
app.add_typer(position_commands, name="positions", short_help="Show the positions of consumers, and reset one.")
app.add_typer(reconcile_commands)
app.add_typer(erasing_commands)
app.add_typer(parking_commands, name="parked", short_help="Look after invoices whose commands wait.")
