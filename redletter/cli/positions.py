"""`positions`: show where consumers are in their topics, and reset one."""

from typing import TYPE_CHECKING, Annotated

import typer

from local import terminal
from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with
from redletter.cli.servers import read_settings, server_addresses, server_errors_end_the_command

if TYPE_CHECKING:
    from redletter.consumer_positions import Target

position_commands = typer.Typer(
    help="Show the positions of consumers, and reset one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@position_commands.command("show")
def show_positions(
    as_json: Annotated[bool, typer.Option("--json", help="Print one position per line as JSON.")] = False,
) -> None:
    """Show each consumer's position in every partition.

    Also shows the range of the log, and why a partition is not read. gone counts the offsets that were deleted before
    the consumer had read them, transaction markers included.
    """
    from redletter import consumer_positions

    with server_errors_end_the_command():
        found = consumer_positions.all_positions(server_addresses(read_settings()))
    if as_json:
        for position in found:
            terminal.print_json(position.as_json())
    else:
        terminal.print_table(consumer_positions.COLUMNS, [position.columns() for position in found])


@position_commands.command("reset")
def reset_position(
    consumer: Annotated[str, typer.Argument(help="The consumer, as shown by `positions show`.")],
    topic: Annotated[str, typer.Argument(help="The topic.")],
    partition: Annotated[int, typer.Argument(min=0, help="The partition number.")],
    to: Annotated[str, typer.Option("--to", metavar="beginning|end|OFFSET", help="The next offset to read.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Set a consumer's position in one partition.

    Also works if the partition is not read because its topic was recreated. Shows what will be skipped or read again,
    and asks for confirmation. The running role continues from there within seconds.
    """
    from aiokafka import TopicPartition

    from redletter import consumer_positions

    if to not in {"beginning", "end"} and not to.isdecimal():
        exit_with(f"--to {to}: must be beginning, end or an offset", USAGE_ERROR)
    addresses = server_addresses(read_settings())
    with server_errors_end_the_command():
        try:
            reset = consumer_positions.plan_reset(addresses, consumer, TopicPartition(topic, partition), _target(to))
            terminal.print_to_stderr(reset.describe())
            if not yes:
                typer.confirm("Reset it?", abort=True, err=True)
            consumer_positions.carry_out(addresses, reset)
        except consumer_positions.ResetRefused as error:
            exit_with(str(error), FAILED)


def _target(to: str) -> "Target":
    return "beginning" if to == "beginning" else "end" if to == "end" else int(to)
