"""`send`, `validate`, `status`, `history` and `why`: send commands, and follow an invoice."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from local import terminal
from redletter.cli import numbers
from redletter.cli.exits import FAILED, INTERRUPTED, USAGE_ERROR, exit_with
from redletter.cli.servers import ANSWER_TIMEOUT_SECONDS, ApiUrl, api_url, read_settings, server_addresses
from redletter.cli.zone import Utc
from rules.quantities import counted

if TYPE_CHECKING:
    from datetime import datetime

    from redletter.api_client import Events

invoice_commands = typer.Typer()

_Number = Annotated[str, typer.Argument(metavar="NUMBER", callback=numbers.one, help="The invoice number, 20 digits.")]
_File = Annotated[str, typer.Argument(metavar="FILE|-", help="JSON lines; - reads standard input.")]


@invoice_commands.command()
def send(
    file: _File,
    wait: Annotated[
        float,
        typer.Option(min=0, max=3600, metavar="SECONDS", help="How long to wait for each reply; 0: do not wait."),
    ] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Send commands from JSON lines, and print the replies.

    Each command is published after the reply to the one before. Replies are printed as JSON lines; refusals with the
    number of their line, and a summary, go to standard error.

    A line: {"type": "RequestReturn", "data": {"invoice_number": "26312000000000000001", "account_id": "a-1"}}; id and
    source are optional. The type determines the topic.

    Exit code: 0 all accepted, 1 some refused, 2 a line cannot be read, 3 a reply did not come.
    """
    from redletter import command_sender, json_lines

    _end_on_interrupt()
    settings = read_settings()
    try:
        commands = json_lines.read_command_lines(_lines(file))
        if file != "-":
            commands = list(commands)  # so that an unreadable line stops it before anything is sent
        if dry_run:
            command_sender.show_dry_run(commands)
            return
        raise typer.Exit(command_sender.send(server_addresses(settings).kafka, commands, wait))
    except json_lines.UnreadableLine as error:
        exit_with(str(error), USAGE_ERROR)


@invoice_commands.command(short_help="Check commands without sending them.")
def validate(
    file: _File,
    as_json: Annotated[bool, typer.Option("--json", help="Print one faulty line per line as JSON.")] = False,
) -> None:
    """Check commands, written as for `send`, without sending them. No server is needed.

    Names every fault that Redletter would refuse with MALFORMED_COMMAND. What depends on the invoice, such as its
    status, is not checked.

    Exit code: 0 every line holds a command, 1 some do not, 2 the file cannot be read.
    """
    from redletter import command_validation

    _end_on_interrupt()
    found = command_validation.validate(_lines(file))
    for line in found.faulty:
        if as_json:
            terminal.print_json(line.as_json())
        else:
            for fault in line.faults:
                terminal.print_line(f"line {line.number}: {fault.field}{': ' * bool(fault.field)}{fault.message}")
    if not as_json:
        commands = counted(found.commands, "command", "commands")
        terminal.print_to_stderr(f"{commands}, {len(found.faulty)} of them faulty")
    raise typer.Exit(FAILED if found.faulty else 0)


@invoice_commands.command()
def status(
    number: _Number,
    as_json: Annotated[bool, typer.Option("--json", help="Print the status document as JSON.")] = False,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="Status at this RFC 3339 time, with offset.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Print it again whenever it changes, until Ctrl-C.")] = False,
    api: ApiUrl = None,
    _utc: Utc = False,
) -> None:
    """Show an invoice's status. Exits 1 with the reason if it is not available.

    Example, the status in the morning:  redletter status 26312000000000000001 --as-of 2026-02-13T09:00:00+08:00
    """
    from redletter import api_client, invoice_text

    _past(as_of, watch)
    settings = read_settings(api_url=api)
    asked = api_client.Api(api_url(settings), settings.api_token)
    try:
        documents = api_client.follow_status(asked, number) if watch else (api_client.status(asked, number, as_of),)
        for document in documents:
            if as_json:
                terminal.print_json(document)
            else:
                for line in invoice_text.status_lines(document):
                    terminal.print_line(line)
    except api_client.QueryFailed as error:
        exit_with(str(error), FAILED)
    except KeyboardInterrupt:
        return


@invoice_commands.command()
def history(
    number: _Number,
    as_json: Annotated[bool, typer.Option("--json", help="Print one event per line as JSON.")] = False,
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Events up to this RFC 3339 time.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Print new events as they come, until Ctrl-C.")] = False,
    api: ApiUrl = None,
    _utc: Utc = False,
) -> None:
    """Show all events of an invoice, oldest first. Exits 1 with the reason if they are not available."""
    from redletter import api_client

    until = _past(as_of, watch)
    settings = read_settings(api_url=api)
    asked = api_client.Api(api_url(settings), settings.api_token)
    try:
        for events in (
            api_client.follow_history(asked, number) if watch else (api_client.history(asked, number, until),)
        ):
            _show_events(events, as_json)
    except api_client.QueryFailed as error:
        exit_with(str(error), FAILED)
    except KeyboardInterrupt:
        return


@invoice_commands.command(short_help="Trace an invoice or a command: what led to what.")
def why(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="NUMBER|ID", help="An invoice, or the id of a command, event, return, reissue or correlation."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one message per line as JSON.")] = False,
    _utc: Utc = False,
) -> None:
    """Trace an invoice or a command: which command, from which source, caused which events, tax requests and replies.

    Each message stands below the one that caused it; the last line says what the invoice waits for. Reads the topics:
    events are kept forever, everything else for 7 days. Exits 1 if no message is found.
    """
    from redletter import message_trace
    from redletter.time_limit import TimeLimited
    from rules.numbers import fold_number, is_number

    folded = fold_number(subject)
    subject = folded if is_number(folded) else subject
    kafka = server_addresses(read_settings()).kafka
    with terminal.reading_progress() as shown:
        reached = -1

        def progress(done: int, total: int) -> None:
            nonlocal reached
            shown(done, total)
            if done > reached:
                reached = done
                limited.restart()

        limited = TimeLimited(
            lambda: message_trace.trace(kafka, subject, progress),
            seconds=ANSWER_TIMEOUT_SECONDS,
            reason=f"Kafka at {kafka} does not answer within {ANSWER_TIMEOUT_SECONDS:g} s",
        )
        messages = limited.result()
    if not messages:
        exit_with(f"found no message about {subject}", FAILED)
    if as_json:
        for message in messages:
            terminal.print_json(message.as_json())
        return
    for line in message_trace.trace_lines(messages):
        terminal.print_line(line)


def _past(as_of: str | None, watch: bool) -> "datetime | None":  # noqa: FBT001 - an option
    """Read the time of ``--as-of``, which must not come with ``--watch``."""
    from datetime import datetime

    if watch and as_of:
        exit_with("--watch and --as-of exclude each other: the past does not change", USAGE_ERROR)
    try:
        moment = datetime.fromisoformat(as_of) if as_of else None
    except ValueError:
        moment = None
    if as_of and (moment is None or moment.tzinfo is None):
        exit_with(f"--as-of {as_of}: must be a time with an offset, such as 2026-02-13T09:00:00+08:00", USAGE_ERROR)
    return moment


def _show_events(events: "Events", as_json: bool) -> None:  # noqa: FBT001 - an option
    from redletter import invoice_text

    if as_json:
        for event in events:
            terminal.print_json(event)
        return
    terminal.print_table(("version", "time", "event", "facts"), invoice_text.event_rows(events))


def _lines(file: str) -> Iterable[bytes]:
    if file == "-":
        return sys.stdin.buffer
    try:
        return Path(file).read_bytes().splitlines()
    except OSError as error:
        exit_with(f"cannot read {file}: {error.strerror}", USAGE_ERROR)


def _end_on_interrupt() -> None:
    """Let Ctrl-C end the command at once, wherever it is.

    The event loop would wait for a read of standard input. A KeyboardInterrupt out of any line would leave coroutines
    behind, and warnings about them. Every reply is flushed when it is printed, so nothing is lost.
    """
    import signal

    def interrupted(*_: object) -> NoReturn:
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, interrupted)
