"""`trigger` and `tail`: for whoever builds a service that uses Redletter."""

from typing import Annotated

import typer

from local import terminal
from redletter.cli import numbers
from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with
from redletter.cli.servers import ApiUrl, api_url, read_settings, server_addresses, server_errors_end_the_command
from redletter.cli.zone import Utc

integration_commands = typer.Typer()


@integration_commands.command(short_help="Play a journey of a new invoice on the running system.")
def trigger(
    journey: Annotated[
        str,
        typer.Argument(
            metavar="JOURNEY", help="return.simple, return.form, return.expired-form, return.slow or reissue."
        ),
    ],
    api: ApiUrl = None,
) -> None:
    """Play a journey of a new invoice on the running system, so that its events come.

    Sends the commands that billing, the customer and the tax connector would send, and prints each reply and each
    change of status. Needs the tax simulator, which `redletter up` starts. Exits 1 if the journey does not end as it
    should.
    """
    import asyncio

    from local.demo.journeys import JOURNEYS, play_one
    from local.demo.stage import JourneyFailed, Servers

    if journey not in JOURNEYS:
        exit_with(f'unknown journey "{journey}"; choose from {", ".join(JOURNEYS)}', USAGE_ERROR)
    settings = read_settings(api_url=api)
    servers = Servers(server_addresses(settings).kafka, api_url(settings), settings.api_token)
    with server_errors_end_the_command():
        try:
            asyncio.run(play_one(journey, servers, terminal.print_line))
        except JourneyFailed as failure:
            exit_with(str(failure), FAILED)


@integration_commands.command(short_help="Print the records that come to a topic.")
def tail(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Such as invoice.events.")],
    invoice: Annotated[
        str | None, typer.Option(metavar="NUMBER", callback=numbers.one, help="Show this invoice's records alone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one record per line as JSON.")] = False,
    _utc: Utc = False,
) -> None:
    """Print each record that comes to a topic from now on, until Ctrl-C.

    A line has: local time, partition/offset, type, key, and the value. --json adds the headers.
    """
    import asyncio

    from events.topics import TOPICS
    from redletter import topic_tail

    async def follow() -> None:
        async for record in topic_tail.tailed_records(kafka, topic, ready):
            if invoice in {None, record.key}:
                show(record)

    def ready() -> None:
        terminal.print_to_stderr(f"following {topic}; Ctrl-C ends")

    def show(record: topic_tail.TailedRecord) -> None:
        if as_json:
            terminal.print_json(record.as_json())
        else:
            terminal.print_line(record.line())

    kafka = server_addresses(read_settings()).kafka
    with server_errors_end_the_command():
        try:
            asyncio.run(follow())
        except topic_tail.TopicMissing:
            names = ", ".join(one.name for one in TOPICS)
            exit_with(f'Kafka has no topic "{topic}"; the topics of Redletter are {names}', USAGE_ERROR)
        except KeyboardInterrupt:
            return
