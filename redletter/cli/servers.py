"""What commands share: the settings, the addresses of the servers, and a time limit for servers that do not answer."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with

if TYPE_CHECKING:
    from local.data_folder import SystemAddresses
    from redletter.settings import Settings
    from transport.addresses import Addresses

ApiUrl = Annotated[
    str | None,
    typer.Option("--api", metavar="URL", help="Where the api is, if not where REDLETTER_API_URL or `up` says."),
]
ANSWER_TIMEOUT_SECONDS = 10.0
"""How long a command waits for a server that does not answer."""


def read_settings(**options: str | None) -> "Settings":
    """Return the settings, or end the command with the reason. options: settings given as options count more."""
    from redletter import settings

    try:
        return settings.read(**{name: value for name, value in options.items() if value is not None})
    except settings.InvalidSettings as error:
        exit_with(str(error), USAGE_ERROR)


def refuse_open_api(settings: "Settings") -> None:
    """End the command if the api would be open to others and asks nobody who they are."""
    from redletter import settings as rules

    try:
        rules.refuse_open_api(settings)
    except rules.InvalidSettings as error:
        exit_with(str(error), USAGE_ERROR)


def server_addresses(settings: "Settings") -> "Addresses":
    """Return the servers' addresses: from the settings, else those of the running `up`.

    Every Kafka client of this command then connects as the settings, or that `up`, say.
    """
    from transport.addresses import Addresses

    kafka, database, read_models = settings.kafka_bootstrap_servers, settings.database_url, settings.read_database_url
    security = settings.kafka_security()
    if not (kafka and database):
        found = _running_system(settings)
        security = security if kafka else found.kafka_security
        kafka, database = kafka or found.kafka, database or found.database
        read_models = read_models or found.read_models
    if security.protocol != "PLAINTEXT":
        from transport.clients.kafka import secure

        secure(kafka, security)
    return Addresses(kafka, database, read_models)


def _running_system(settings: "Settings") -> "SystemAddresses":
    from local import data_folder

    try:
        return data_folder.find_running(settings.data_dir)
    except data_folder.NotRunning as error:
        exit_with(f"{error}, or set REDLETTER_KAFKA_BOOTSTRAP_SERVERS and REDLETTER_DATABASE_URL", FAILED)


def read_side_addresses(settings: "Settings") -> "Addresses":
    """Return the addresses for what works on the read models, whose database may be another than the log's."""
    return server_addresses(settings).of_read_side()


def api_url(settings: "Settings") -> str:
    """Return the address of the api: from the settings, else that of the running `up`."""
    from local import data_folder

    if settings.api_url:
        return settings.api_url
    if settings.api_port and {"api_host", "api_port"} & settings.model_fields_set:
        return f"http://{settings.api_host}:{settings.api_port}"
    try:
        found = data_folder.find_running(settings.data_dir).api
    except data_folder.NotRunning as error:
        exit_with(f"{error}, or set REDLETTER_API_URL or --api to the address of the api", FAILED)
    if found is None:
        exit_with(
            "the running `redletter up` was started without the api; start `redletter api` beside it, with a port",
            FAILED,
        )
    return found


def known_api_url(settings: "Settings") -> str | None:
    """Return the address of the api if the settings name it, or if it is that of the running `up` that they mean."""
    from local import data_folder

    if settings.api_url or (settings.kafka_bootstrap_servers and settings.database_url):
        return settings.api_url
    try:
        return data_folder.find_running(settings.data_dir).api
    except data_folder.NotRunning:
        return None


def check_servers_answer(addresses: "Addresses") -> None:
    """Make sure that both servers answer before work that may take long begins."""
    import asyncio

    from redletter.time_limit import TimeLimited
    from transport import topics
    from transport.clients import postgres

    def ask_kafka() -> None:
        asyncio.run(topics.partition_counts(addresses.kafka, []))

    def ask_postgres() -> None:
        for database in dict.fromkeys((addresses.database, addresses.of_read_side().database)):
            postgres.check(database, "migrate")

    for server, ask in (("PostgreSQL", ask_postgres), (f"Kafka at {addresses.kafka}", ask_kafka)):
        TimeLimited(
            ask,
            seconds=ANSWER_TIMEOUT_SECONDS,
            reason=f"{server} does not answer within {ANSWER_TIMEOUT_SECONDS:g} s",
        ).result()


@contextmanager
def server_errors_end_the_command() -> Generator[None]:
    """End the command with one sentence when Kafka or PostgreSQL cannot be queried within the block."""
    import psycopg
    from aiokafka.errors import KafkaError

    try:
        yield
    except psycopg.Error as error:
        exit_with(f"cannot query PostgreSQL: {str(error).strip()}", FAILED)
    except (KafkaError, TimeoutError) as error:
        exit_with(f"cannot query Kafka: {error}", FAILED)
