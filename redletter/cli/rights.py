"""`acls` and `grants`: what each role and each neighbour is allowed."""

import asyncio
from typing import Annotated

import typer

from local import terminal
from redletter.cli.servers import read_settings, server_addresses, server_errors_end_the_command

right_commands = typer.Typer()


@right_commands.command(short_help="Show the rights on Kafka that everybody needs.")
def acls(
    as_json: Annotated[bool, typer.Option("--json", help="Print one ACL per line as JSON.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Add what is missing on Kafka; takes nothing away.")] = False,
) -> None:
    """Show what each role, each neighbour and an operator has to be allowed on Kafka, and no more.

    Each is a user of Kafka by that name, such as `User:worker`. Nothing is asked of Kafka unless --apply is given.

    Example, with a Kafka whose authorizer is on:  REDLETTER_KAFKA_USERNAME=admin redletter acls --apply
    """
    from redletter.kafka_rights import rights
    from transport.acls import Acl, create_acls
    from transport.clients.kafka import admin

    async def apply_all(bootstrap: str) -> None:
        async with admin(bootstrap, "acls") as client:
            await create_acls(client, rights())

    if apply:
        with server_errors_end_the_command():
            asyncio.run(apply_all(server_addresses(read_settings()).kafka))
    if as_json:
        for acl in rights():
            terminal.print_json(acl._asdict())
    else:
        terminal.print_table(Acl._fields, rights())


@right_commands.command(short_help="Show the rights in PostgreSQL that every role needs.")
def grants(
    as_json: Annotated[bool, typer.Option("--json", help="Print one right per line as JSON.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Grant what is missing, and revoke the rest.")] = False,
) -> None:
    """Show, as SQL, what each role has to be allowed in PostgreSQL, and no more: the worker can only append to the log.

    Each is a role of PostgreSQL such as redletter_worker, without a login; let the user in whose name the worker logs
    in be a member of it. Run it as the owner of the database, who also runs `redletter migrate`, `projections rebuild`
    and other commands that change things. Nothing is asked of PostgreSQL unless --apply is given; that also takes away
    what a role has been granted besides.

    Where REDLETTER_READ_DATABASE_URL names another database, it says what belongs into which.

    Example:  redletter migrate && redletter grants --apply
    """
    from redletter import database_grants

    settings = read_settings()
    if apply:
        with server_errors_end_the_command():
            database_grants.apply_grants(server_addresses(settings))
    read_models = "read_models" if settings.read_database_url else "log"
    for database, granted in database_grants.grants_by_database("log", read_models).items():
        if as_json:
            for grant in granted:
                terminal.print_json(grant._asdict() | ({"database": database} if settings.read_database_url else {}))
            continue
        if settings.read_database_url:
            terminal.print_line(f"-- in the database of the {database.replace('_', ' ')}")
        for statement in ("begin", *(one.as_string() for one in database_grants.statements(granted)), "commit"):
            terminal.print_line(f"{statement};")
