"""`projections`: list, rebuild, verify and resume the read models, and release invoices that they have parked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from local import terminal
from redletter.cli import numbers
from redletter.cli.exits import FAILED, USAGE_ERROR, exit_with
from redletter.cli.servers import (
    ANSWER_TIMEOUT_SECONDS,
    read_settings,
    read_side_addresses,
    server_errors_end_the_command,
)
from rules.quantities import counted

if TYPE_CHECKING:
    from projections.rebuild.rebuilding import Outcome

read_model_commands = typer.Typer(
    help="List, rebuild, verify and resume the read models, and release parked invoices.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Read models, or all.")]
_MAX_DIFFERENCE_CHARACTERS = 300


@read_model_commands.command("list")
def list_read_models() -> None:
    """Show each read model's lag and state."""
    from redletter import read_models
    from redletter.time_limit import TimeLimited

    addresses = read_side_addresses(read_settings())
    rows = TimeLimited(
        lambda: list(read_models.state_rows(addresses)),
        seconds=ANSWER_TIMEOUT_SECONDS,
        reason=f"Kafka or PostgreSQL does not answer within {ANSWER_TIMEOUT_SECONDS:g} s",
    )
    terminal.print_table(("read model", "messages behind", "seconds behind", "state"), rows.result())


@read_model_commands.command("rebuild")
def rebuild(names: _Names) -> None:
    """Rebuild read models from the first event.

    Fills new tables and then switches to them; queries are answered throughout. If interrupted, run the same command
    again to resume. If the same version of the code built the replaced tables, their rows are compared. Exits 1 if the
    rebuild fails, or if a read model is stopped or has parked invoices afterwards.
    """
    incomplete = False
    comparison = {True: "same as before", False: "different from before", None: "built by a different version before"}
    for name, outcome in _run("rebuild", names).items():
        terminal.print_line(f"{name}: rebuilt, {outcome.rows:,} rows, {comparison[outcome.same]}")
        _show_differences(outcome)
        _warn_if_stopped_or_parked(name, outcome)
        incomplete |= bool(outcome.stopped or outcome.parked)
    raise typer.Exit(FAILED if incomplete else 0)


@read_model_commands.command("verify")
def verify(names: _Names) -> None:
    """Compare live read models with a fresh fold of all events.

    Exits 1 if rows differ, or if one is stopped or has parked invoices, whose rows are not compared.
    """
    wrong = False
    comparison = {True: "correct", False: "WRONG: rebuild it", None: "built by a different version: rebuild it"}
    for name, outcome in _run("verify", names).items():
        terminal.print_line(f"{name}: {outcome.rows:,} rows, {comparison[outcome.same]}")
        _show_differences(outcome)
        _warn_if_stopped_or_parked(name, outcome)
        wrong |= outcome.same is not True or bool(outcome.stopped or outcome.parked)
    raise typer.Exit(FAILED if wrong else 0)


@read_model_commands.command()
def resume(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A stopped read model.")],
    *,
    skip: Annotated[
        bool, typer.Option("--skip", help="Skip the record it stopped at; the read model then lacks it.")
    ] = False,
) -> None:
    """Let the running projector try a stopped read model again. Exits 1 if it does not resume."""
    import psycopg

    from projections.resuming import NotTried
    from redletter import read_models
    from transport.positions import PositionLost

    settings = read_settings()
    try:
        entry = read_models.named(name)
    except read_models.UnknownReadModel as error:
        exit_with(str(error), USAGE_ERROR)
    try:
        sentences, running = read_models.resume_read_model(read_side_addresses(settings), entry, skip=skip)
    except PositionLost:
        exit_with(f"{name} resumed on its own in the meantime; nothing was skipped", FAILED)
    except (NotTried, psycopg.Error) as error:
        exit_with(str(error), FAILED)
    for sentence in sentences:
        terminal.print_line(sentence)
    raise typer.Exit(0 if running else FAILED)


@read_model_commands.command("parked")
def list_parked(
    as_json: Annotated[bool, typer.Option("--json", help="Print one invoice per line as JSON.")] = False,
) -> None:
    """Show the invoices that a read model cannot fold.

    It shows each as it was before the version that it lacks; queries say so. All others it shows as they are.
    """
    from projections import releasing
    from redletter import read_models

    with server_errors_end_the_command():
        parked = releasing.parked_invoices(read_side_addresses(read_settings()).database)
    if as_json:
        for one in parked:
            terminal.print_json(one._asdict() | {"since": one.since.isoformat()})
    else:
        terminal.print_table(read_models.PARKED_COLUMNS, map(read_models.parked_row, parked))


@read_model_commands.command("release", short_help="Fold parked invoices anew from their events.")
def release(
    invoices: Annotated[
        list[str] | None, typer.Argument(metavar="[NUMBER]...", callback=numbers.each, help="Parked invoices.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every parked invoice.")] = False,
) -> None:
    """Fold parked invoices anew from their events, in every read model that has parked them.

    Do it after a fix, with the fixed release. Queries are answered throughout. An invoice that still cannot be folded
    stays parked. Exits 1 if one does.
    """
    from projections.engine.health import Retired
    from projections.releasing import EventsMissing
    from redletter import read_models

    if bool(invoices) == everything:
        exit_with("name invoices, or give --all", USAGE_ERROR)
    addresses = read_side_addresses(read_settings())
    with server_errors_end_the_command():
        try:
            found = list(read_models.release_invoices(addresses, invoices or None))
        except (Retired, EventsMissing) as error:
            exit_with(str(error), FAILED)
    for sentence, _ in found:
        terminal.print_line(sentence)
    raise typer.Exit(0 if all(released for _, released in found) else FAILED)


def _show_differences(outcome: "Outcome") -> None:
    for difference in outcome.differences:
        terminal.print_line(f"  {difference[:_MAX_DIFFERENCE_CHARACTERS]}")


def _warn_if_stopped_or_parked(name: str, outcome: "Outcome") -> None:
    for why in outcome.stopped:
        terminal.print_to_stderr(f"redletter: {name} is stopped: {why}")
    if outcome.parked:
        parked, advice = counted(outcome.parked, "invoice", "invoices"), "see `redletter projections parked`"
        terminal.print_to_stderr(f"redletter: {name} has parked {parked}: {advice}")


def _run(work: str, names: Sequence[str]) -> "dict[str, Outcome]":
    import psycopg
    from aiokafka.errors import KafkaError

    from projections.rebuild.filling import CannotFold, Stalled
    from projections.rebuild.rebuilding import Busy
    from redletter import read_models

    settings = read_settings()
    try:
        entries = read_models.select(names)
    except read_models.UnknownReadModel as error:
        exit_with(str(error), USAGE_ERROR)
    try:
        return read_models.run_with_progress(read_models.WORK[work], read_side_addresses(settings), entries)
    except (Busy, CannotFold, Stalled, KafkaError, psycopg.Error) as error:
        exit_with(f"{work} failed: {error}", FAILED)
    except KeyboardInterrupt:
        exit_with("interrupted; run the same command again to resume", FAILED)
