"""`parked`: list the invoices whose commands wait, release them after a fix, or discard what waits."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from local import terminal
from redletter.cli import numbers
from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with
from redletter.cli.servers import ANSWER_TIMEOUT_SECONDS, read_settings, server_addresses, server_errors_end_the_command
from rules.quantities import counted

if TYPE_CHECKING:
    from service.store.event_store import Store
    from service.store.parking_rows import ParkedInvoice
    from service.worker.releasing import Emptied, Releasing

parking_commands = typer.Typer(
    help="""List the invoices whose commands wait, release them after a fix, or discard what waits.

    An invoice is parked when Redletter fails to decide one of its commands: that command and all later ones of the
    invoice wait in order, and everything else continues. The error is in `parked list` and in the worker's log.
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

_MAX_ERROR_CHARACTERS = 200
_MAX_REASON_CHARACTERS = 500
_RELEASE_TIMEOUT_SECONDS = 120.0
"""How long a command waits for the release of one invoice: far longer than its 1,000 commands take."""
_T = TypeVar("_T")


_Number = Annotated[
    str, typer.Argument(metavar="NUMBER", callback=numbers.one, help="A parked invoice.", show_default=False)
]


@parking_commands.command("list", short_help="Show the parked invoices: since when, and why.")
def list_parked(
    as_json: Annotated[bool, typer.Option("--json", help="Print one invoice per line as JSON.")] = False,
) -> None:
    """Show the parked invoices: since when, how many commands wait, and the error that the first of them met."""
    with _store() as store:
        parked = _parked(store)
    if as_json:
        for one in parked:
            terminal.print_json(one._asdict() | {"since": one.since.isoformat()})
    else:
        terminal.print_table(("invoice", "since", "commands", "bytes", "error"), map(_columns, parked))


@parking_commands.command(short_help="Decide the waiting commands of an invoice in order.")
def release(
    number: _Number = "",
    release_all: Annotated[bool, typer.Option("--all", help="Release every parked invoice.")] = False,
) -> None:
    """Decide the waiting commands of an invoice in order, and resume it.

    Run this once the fault is fixed and the workers run the release with the fix: each command gets its one reply. The
    workers need not be stopped, and it is safe to run it again. A command that still fails stays, with all behind it.
    Exits 1 if one does, or if NUMBER is not parked.
    """
    if bool(number) == release_all:
        exit_with("name an invoice, or give --all", USAGE_ERROR)
    with _store(writing=True) as store:
        known = [one.invoice_number for one in _parked(store)]
        invoices = known if release_all else _among(known, number)
        _empty_all(invoices, _releasing(store).release, "answered")


@parking_commands.command(short_help="Refuse the waiting commands of an invoice.")
def discard(
    number: _Number,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is published with each command, on invoice.parked.")],
) -> None:
    """Refuse the waiting commands of an invoice with INTERNAL_FAULT, and resume it.

    For commands that no fix will help. Their ids stay free, so whoever sent one may send it again. Exits 1 if NUMBER is
    not parked.
    """
    if not 0 < len(reason.strip()) <= _MAX_REASON_CHARACTERS:
        exit_with(f"--reason: must be 1 to {_MAX_REASON_CHARACTERS} characters", USAGE_ERROR)
    with _store(writing=True) as store:
        invoices = _among([one.invoice_number for one in _parked(store)], number)
        releasing = _releasing(store)
        _empty_all(invoices, lambda each: releasing.discard(each, reason.strip()), "refused")


@contextmanager
def _store(*, writing: bool = False) -> "Generator[Store]":
    """Give the store, and end the command with one sentence where it fails.

    It is not closed: a thread that waits for a frozen server may still use it.
    """
    from redletter import logs
    from service.store.divergence import stop_where_log_differs
    from service.store.event_store import Store
    from service.store.newer_releases import ProgramTooOld
    from service.store.write import Conflict, LogStopped

    logs.configure("warning")
    with server_errors_end_the_command():
        try:
            addresses = server_addresses(read_settings())
            begin = partial(stop_where_log_differs, kafka=addresses.kafka) if writing else None
            yield Store(addresses.database, begin)
        except Conflict:
            exit_with("running workers kept changing the same invoice; nothing was lost, run this again", FAILED)
        except LogStopped as error:
            exit_with(f"{error}; see `redletter check`", FAILED)
        except ProgramTooOld as error:
            exit_with(str(error), FAILED)


def _parked(store: "Store") -> "list[ParkedInvoice]":
    return _within(ANSWER_TIMEOUT_SECONDS, store.parked)


def _within(seconds: float, ask: Callable[[], _T]) -> _T:
    from redletter.time_limit import TimeLimited

    reason = f"PostgreSQL does not answer within {seconds:g} s"
    return TimeLimited(ask, seconds=seconds, reason=reason).result()


def _among(parked: Sequence[str], number: str) -> Sequence[str]:
    if number not in parked:
        exit_with(f"{number} is not parked; see `redletter parked list`", FAILED)
    return [number]


def _releasing(store: "Store") -> "Releasing":
    from redletter.roles import policy_of, sealing_of
    from service.worker.moments import Moments
    from service.worker.releasing import Releasing

    settings = read_settings()
    moments = Moments(settings.clock_shift, settings.calendar(), policy_of(settings))
    return Releasing(store, moments, sealing_of(settings))


def _empty_all(invoices: Sequence[str], empty: "Callable[[str], Emptied]", done: str) -> None:
    """Empty queues, and print what became of each; end the command with an error if one is left."""
    failed = False
    for number in invoices:
        emptied = _within(_RELEASE_TIMEOUT_SECONDS, partial(empty, number))
        terminal.print_line(f"{number}: {counted(emptied.answered, 'command', 'commands')} {done}")
        if emptied.error:
            failed = True
            why = terminal.plain(emptied.error, longest=_MAX_ERROR_CHARACTERS)
            terminal.print_to_stderr(f"redletter: {number} stays parked: {why}; fix this and release it again")
    if failed:
        raise typer.Exit(FAILED)


def _columns(one: "ParkedInvoice") -> Sequence[object]:
    error = terminal.plain(one.error, longest=_MAX_ERROR_CHARACTERS)
    from redletter.shown_times import shown_time

    return (one.invoice_number, shown_time(one.since), one.commands, one.bytes, error)
