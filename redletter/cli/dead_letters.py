"""`dead-letters`: list, show, replay and discard the records that could not be read as a command."""

import getpass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from local import terminal
from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with
from redletter.cli.servers import (
    read_settings,
    read_side_addresses,
    server_addresses,
    server_errors_end_the_command,
)
from rules.quantities import counted

if TYPE_CHECKING:
    from datetime import datetime

    from projections.dead_letters.queries import DeadLetter, LetterFilter
    from projections.dead_letters.replaying import Replay
    from transport.addresses import Addresses

dead_letter_commands = typer.Typer(
    help="List, show, replay and discard records that could not be read as a command.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Places = Annotated[
    list[str] | None, typer.Argument(metavar="[PLACE]...", help="As `list` shows it: invoice.commands.tax/3/17.")
]
_Reason = Annotated[str | None, typer.Option(help="Only this reason, such as MALFORMED_COMMAND.")]
_Topic = Annotated[str | None, typer.Option(help="Only records of this topic.")]
_Partition = Annotated[int | None, typer.Option(min=0, help="Only records of this partition.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only those buried since this RFC 3339 time.")]
_Invoice = Annotated[str | None, typer.Option(metavar="NUMBER", help="Only records with this key.")]
_All = Annotated[bool, typer.Option("--all", help="All that wait, where no other option says which.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@dead_letter_commands.command("list")
def list_dead_letters(  # noqa: PLR0913 - the filters
    *,
    reason: _Reason = None,
    topic: _Topic = None,
    partition: _Partition = None,
    since: _Since = None,
    invoice: _Invoice = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those neither replayed nor discarded.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one dead letter per line as JSON.")] = False,
) -> None:
    """Show dead letters, and what became of each.

    They are kept for 30 days. PLACE, with which `show`, `replay` and `discard` name one, is the topic, partition and
    offset of the record that could not be read.
    """
    from redletter import dead_letters

    wanted = _filter(
        None, undecided=waiting, reason=reason, topic=topic, partition=partition, since=since, invoice=invoice
    )
    with server_errors_end_the_command():
        found = dead_letters.find(read_side_addresses(read_settings()), wanted)
    if as_json:
        for letter in found:
            terminal.print_json(dead_letters.as_json(letter))
    else:
        terminal.print_table(dead_letters.LETTER_COLUMNS, map(dead_letters.row, found))


@dead_letter_commands.command("show")
def show_dead_letter(
    place: Annotated[str, typer.Argument(help="As `list` shows it: invoice.commands.tax/3/17.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show a dead letter with its record: key, headers and value. Exits 1 if there is none at this place."""
    from projections.dead_letters.records import NoAnswer
    from redletter import dead_letters
    from rules.key_wrapping import OutsideKeyMissing

    settings = read_settings()
    addresses = server_addresses(settings)
    with server_errors_end_the_command():
        letter = _one(addresses.of_read_side(), place)
        try:
            record = dead_letters.read_record(addresses, letter, settings.key_wrapping())
        except (NoAnswer, OutsideKeyMissing) as error:
            exit_with(str(error), FAILED)
    if as_json:
        content = dead_letters.record_as_json(record) if record else None
        terminal.print_json(dead_letters.as_json(letter) | {"record": content})
        return
    for name, text in zip(dead_letters.LETTER_COLUMNS[:-1], dead_letters.row(letter), strict=False):
        terminal.print_line(f"{name}: {text}")
    terminal.print_line(f"error: {letter.error}")
    for line in dead_letters.record_lines(record) if record else ("its topic no longer keeps the record",):
        terminal.print_line(line)


@dead_letter_commands.command("replay", short_help="Send the records of dead letters again.")
def replay_dead_letters(  # noqa: PLR0913 - the filters
    places: _Places = None,
    *,
    reason: _Reason = None,
    topic: _Topic = None,
    partition: _Partition = None,
    since: _Since = None,
    invoice: _Invoice = None,
    everything: _All = False,
    yes: _Yes = False,
) -> None:
    """Send the records of dead letters again to the topic and partition they came from, byte for byte and in order.

    Each is sent once, however often this is repeated or interrupted. One that is unreadable again becomes a new dead
    letter; that is sent again only if it is named by its place. Exits 1 if some could not be sent.
    """
    import asyncio

    from projections.dead_letters import replaying
    from projections.dead_letters.records import NoAnswer
    from projections.dead_letters.sealed_letters import open_letters
    from redletter import dead_letters, logs
    from rules.key_wrapping import OutsideKeyMissing
    from transport.producer import Fenced

    logs.configure("error")  # a failure that is tried again is nothing to tell
    wanted = _filter(
        places, undecided=True, reason=reason, topic=topic, partition=partition, since=since, invoice=invoice
    )
    _require_choice(wanted, everything)
    settings = read_settings()
    addresses = server_addresses(settings)
    with server_errors_end_the_command():
        _confirm("Replay", dead_letters.find(addresses.of_read_side(), wanted), yes)
        try:
            opened = partial(open_letters, addresses.database, settings.key_wrapping())
            done = asyncio.run(replaying.replay(addresses.of_read_side(), wanted, by=getpass.getuser(), opened=opened))
        except (replaying.ReplayRunning, NoAnswer, OutsideKeyMissing) as error:
            exit_with(str(error), FAILED)
        except Fenced:
            exit_with("another process has begun to replay; run this command again once it has ended", FAILED)
    _print_replay(done)
    raise typer.Exit(FAILED if done.incomplete else 0)


@dead_letter_commands.command("discard", short_help="Record that nobody needs these records any more.")
def discard_dead_letters(  # noqa: PLR0913 - the filters
    places: _Places = None,
    *,
    because: Annotated[
        str, typer.Option(prompt="Why are they not needed?", help="Why; kept with your user name and the time.")
    ],
    reason: _Reason = None,
    topic: _Topic = None,
    partition: _Partition = None,
    since: _Since = None,
    invoice: _Invoice = None,
    everything: _All = False,
    yes: _Yes = False,
) -> None:
    """Record that nobody needs these records any more: they no longer wait, and cannot be replayed."""
    from redletter import dead_letters

    wanted = _filter(
        places, undecided=True, reason=reason, topic=topic, partition=partition, since=since, invoice=invoice
    )
    _require_choice(wanted, everything)
    if not because.strip():
        exit_with("--because must say why the records are not needed", USAGE_ERROR)
    addresses = read_side_addresses(read_settings())
    with server_errors_end_the_command():
        letters = dead_letters.find(addresses, wanted)
        _confirm("Discard", letters, yes)
        discarded = dead_letters.discard_letters(addresses, letters, by=getpass.getuser(), why=because.strip())
    terminal.print_line(f"discarded: {len(discarded)}")


def _filter(  # noqa: PLR0913 - the filters
    places: list[str] | None,
    *,
    undecided: bool,
    reason: str | None = None,
    topic: str | None = None,
    partition: int | None = None,
    since: str | None = None,
    invoice: str | None = None,
) -> "LetterFilter":
    from projections.dead_letters.queries import LetterFilter, NotAPlace, parse_place

    try:
        named = [str(parse_place(place)) for place in places] if places else None
    except NotAPlace as error:
        exit_with(str(error), USAGE_ERROR)
    return LetterFilter(named, reason, topic, partition, _time(since), invoice, undecided)


def _time(since: str | None) -> "datetime | None":
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(since) if since else None
    except ValueError:
        moment = None
    if since and (moment is None or moment.tzinfo is None):
        exit_with(f"--since {since}: must be a time with an offset, such as 2026-02-13T09:00:00+08:00", USAGE_ERROR)
    return moment


def _require_choice(wanted: "LetterFilter", everything: bool) -> None:  # noqa: FBT001 - an option
    """Make sure that something says which dead letters are meant: nobody means all by leaving out a filter."""
    from projections.dead_letters.queries import LetterFilter

    chosen = wanted != LetterFilter(undecided=True)
    if chosen == everything:
        exit_with("name places, or say which by options, or give --all alone", USAGE_ERROR)


def _confirm(verb: str, letters: "list[DeadLetter]", yes: bool) -> None:  # noqa: FBT001 - an option
    if not letters:
        terminal.print_line("no such dead letter waits")
        raise typer.Exit(0)
    if not yes:
        typer.confirm(f"{verb} {counted(len(letters), 'dead letter', 'dead letters')}?", abort=True, err=True)


def _one(addresses: "Addresses", place: str) -> "DeadLetter":
    from redletter import dead_letters

    found = dead_letters.find(addresses, _filter([place], undecided=False))
    if not found:
        exit_with(f"there is no dead letter of {place}; see `redletter dead-letters list`", FAILED)
    return found[0]


def _print_replay(done: "Replay") -> None:
    terminal.print_line(f"replayed: {len(done.replayed)}")
    for place in done.again:
        terminal.print_line(f"left out, unreadable again after a replay: {place}")
    for place in done.incomplete:
        terminal.print_to_stderr(f"redletter: {place}: its record is not kept; discard it, and ask its sender")
