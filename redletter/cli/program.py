"""All commands, in the order of the help."""

import typer

from redletter.cli.dead_letters import dead_letter_commands
from redletter.cli.invoices import invoice_commands
from redletter.cli.parked import parking_commands
from redletter.cli.positions import position_commands
from redletter.cli.read_models import read_model_commands
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
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(system_commands)
app.add_typer(invoice_commands)
app.add_typer(role_commands)
app.add_typer(read_model_commands, name="projections")
app.add_typer(dead_letter_commands, name="dead-letters")
app.add_typer(position_commands, name="positions")
app.add_typer(parking_commands, name="parked")
