"""`erase`: destroy the keys of invoices, once the law wants their texts kept no longer."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from redletter.cli import numbers
from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with
from redletter.cli.servers import ANSWER_TIMEOUT_SECONDS, read_settings, server_addresses, server_errors_end_the_command

if TYPE_CHECKING:
    from collections.abc import Sequence

erasing_commands = typer.Typer()

_REPLY_TIMEOUT_SECONDS = 30.0
_ANY = "0" * 20


@erasing_commands.command(short_help="Erase the texts of invoices whose retention is over.")
def erase(
    number: Annotated[
        str, typer.Argument(metavar="[NUMBER]", callback=numbers.one, help="The invoice.", show_default=False)
    ] = "",
    account: Annotated[str, typer.Option("--account", metavar="ID", help="All invoices of this account.")] = "",
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why. It is kept for ever, so it names nobody.")],
) -> None:
    """Erase the texts of an invoice, or of all of an account, by destroying their keys. It cannot be undone.

    Names, remarks, descriptions and other free text can be opened by nobody any more, wherever they have been copied:
    in the log, on topics, in read models, and in backups that hold no keys. Numbers, amounts and tax ids stay. Who
    asked and why is recorded as the event PersonalDataErased.

    Refused: before REDLETTER_RETENTION_YEARS are over, while a return is in progress, and for invoices that were
    registered without REDLETTER_SEALING=on. It is safe to run this again.

    Replies are printed as JSON lines. Exit code: 0 all erased, 1 some refused, 2 usage error, 3 a reply did not come.
    """
    if bool(number) == bool(account):
        exit_with("name an invoice, or give --account", USAGE_ERROR)
    from redletter import command_sender, json_lines

    try:
        command = json_lines.erase_command(number or _ANY, reason, getpass.getuser())
    except ValueError as error:
        exit_with(f"--reason: {error}", USAGE_ERROR)
    addresses = server_addresses(read_settings())
    invoices = [number] if number else _of_account(addresses.database, account)
    if not invoices:
        exit_with(f"the account {account} has no invoices", FAILED)
    commands = [command.about(one) for one in invoices]
    raise typer.Exit(command_sender.send(addresses.kafka, commands, _REPLY_TIMEOUT_SECONDS))


def _of_account(database: str, account: str) -> "Sequence[str]":
    from redletter.time_limit import TimeLimited
    from service.store.event_store import Store

    reason = f"PostgreSQL does not answer within {ANSWER_TIMEOUT_SECONDS:g} s"
    with server_errors_end_the_command():
        ask = TimeLimited(lambda: Store(database).invoices_of(account), seconds=ANSWER_TIMEOUT_SECONDS, reason=reason)
        return ask.result()
