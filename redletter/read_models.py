"""Show, rebuild, verify and resume the read models, and release the invoices that they have parked."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from local import terminal
from projections import releasing, resuming
from projections.catalogue import MODELS, REBUILT, CatalogueEntry
from projections.publication.failures import PUBLICATION
from projections.rebuild import tables
from projections.rebuild.rebuilding import Outcome, ProgressReport, rebuild, verify
from projections.releasing import OutOfDateInvoice
from redletter.shown_times import shown_time
from transport.addresses import Addresses
from transport.clients import postgres
from web.operations import lag

_BUILT_BY = "select model, code, being_built_by is not null from projections.built"
_SKIPPED = "select model, count(*) from projections.skipped group by model"

ReadModelWork = Callable[[Addresses, CatalogueEntry, ProgressReport], Awaitable[Outcome]]


class UnknownReadModel(Exception):
    """There is no such read model, or it cannot be rebuilt; the message names the possible ones."""


def select(names: Sequence[str]) -> list[CatalogueEntry]:
    """Return the read models of these names; `all` means every one. Raises: UnknownReadModel."""
    wanted = list(REBUILT) if "all" in names else list(dict.fromkeys(names))
    for name in wanted:
        if name not in REBUILT:
            msg = f'unknown read model "{name}"; choose from {", ".join(REBUILT)}, or all'
            raise UnknownReadModel(msg)
    return [REBUILT[name] for name in wanted]


def state_rows(addresses: Addresses) -> Iterator[tuple[str, ...]]:
    """Yield a row per read model: name, lag in messages, lag in seconds, state."""
    behind = {one.consumer: one for one in asyncio.run(_lags(addresses))}
    with (
        postgres.connect(addresses.database, "projections") as connection,
        connection.cursor() as cur,
    ):
        built = {model: (code, building) for model, code, building in connection.execute(_BUILT_BY)}
        skipped = {model: count for model, count in connection.execute(_SKIPPED)}  # noqa: C416 - as dict() of untyped rows is unknown
        old = {name: tables.left_over(cur, entry) for name, entry in REBUILT.items()}
    parked = Counter(one.model for one in releasing.parked_invoices(addresses.database))
    for name, entry in MODELS.items():
        own = behind.get(entry.consumer)
        messages, seconds = (str(own.messages), f"{own.seconds:.1f}") if own else ("-", "-")
        code, building = built.get(name, ("", False))
        state = [
            "; ".join(f"stopped: {stop.why}" for stop in resuming.stopped_partitions(addresses.database, name))
            or "running",
            "" if code == entry.fingerprint else "built by a different version",
            "a rebuild is running or was interrupted" if building else "",
            f"skipped records: {skipped[name]}, rebuild it" if name in skipped else "",
            f"parked invoices: {parked[name]}, see `redletter projections parked`" if parked[name] else "",
            f"left over from a rebuild: {', '.join(old[name])}; the next rebuild drops it" if old.get(name) else "",
        ]
        yield name, messages, seconds, "; ".join(part for part in state if part)
    if waiting := resuming.stopped_partitions(addresses.database, PUBLICATION):
        yield PUBLICATION, "-", "-", f"stopped: {waiting[0].why}"


def named(name: str) -> CatalogueEntry:
    """Return the read model of a name. Raises: UnknownReadModel."""
    if name not in MODELS:
        msg = f'unknown read model "{name}"; choose from {", ".join(MODELS)}'
        raise UnknownReadModel(msg)
    return MODELS[name]


def resume_read_model(addresses: Addresses, entry: CatalogueEntry, *, skip: bool) -> tuple[list[str], bool]:
    """Resume a stopped read model; return sentences about it, and whether it runs now.

    Raises: NotTried, PositionLost, psycopg.Error.
    """
    name = entry.name
    if not resuming.stopped_partitions(addresses.database, name):
        return [f"{name} is not stopped"], True
    skipped = resuming.skip_records(addresses.database, entry) if skip else []
    advice = f"once the code can read it, run redletter projections rebuild {name}"
    sentences = [
        f"{name}: skipped {one.topic}[{one.partition}] offset {one.record_offset}, which it now lacks ({one.why})"
        + (f"; {advice}" if name in REBUILT else "")
        for one in skipped
    ]
    if left := resuming.wait_for_retry(addresses.database, entry):
        return [*sentences, *(f"{name} has stopped again: {one.why}" for one in left)], False
    return [*sentences, f"{name} is running"], True


PARKED_COLUMNS = ("read model", "invoice", "since", "first version it lacks", "why")


def parked_row(one: OutOfDateInvoice) -> Sequence[str]:
    """Return the cells of `PARKED_COLUMNS`."""
    since = shown_time(one.since)
    return (one.model, one.invoice_number, since, str(one.version), one.why)


def release_invoices(addresses: Addresses, numbers: Collection[str] | None) -> Iterator[tuple[str, bool]]:
    """Release parked invoices, all of them if no numbers are given; yield a sentence for each, and whether it is.

    Raises: Retired, EventsMissing, KafkaError, psycopg.Error.
    """
    parked: dict[str, list[str]] = defaultdict(list)
    for one in releasing.parked_invoices(addresses.database):
        if numbers is None or one.invoice_number in numbers:
            parked[one.model].append(one.invoice_number)
    for number in set(numbers or ()).difference(*parked.values()):
        yield f"{number} is not parked", True
    for model, wanted in parked.items():
        failed = asyncio.run(releasing.release(addresses, REBUILT[model], wanted))
        for number in wanted:
            became = f"stays parked: {failed[number]}" if number in failed else "released"
            yield f"{model}: {number} {became}", number not in failed


async def _lags(addresses: Addresses) -> list[lag.Lag]:
    async with await postgres.connect_async(addresses.database, "projections") as connection:
        return await lag.lags(addresses.kafka, lambda: lag.positions_on_read_models(connection))


def run_with_progress(
    work: ReadModelWork, addresses: Addresses, entries: Sequence[CatalogueEntry]
) -> dict[str, Outcome]:
    """Rebuild or verify read models concurrently, with a progress bar each. Raises: Busy, KafkaError, psycopg.Error."""
    return asyncio.run(_run(work, addresses, entries))


async def _run(work: ReadModelWork, addresses: Addresses, entries: Sequence[CatalogueEntry]) -> dict[str, Outcome]:
    with terminal.progress_bars(*_columns()) as bars:
        outcomes = await asyncio.gather(*(work(addresses, entry, _progress(bars, entry)) for entry in entries))
    return dict(zip((entry.name for entry in entries), outcomes, strict=True))


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )


def _progress(bars: Progress, entry: CatalogueEntry) -> ProgressReport:
    task = bars.add_task(entry.name, total=None, rate="")

    def update(done: int, total: int) -> None:
        bars.update(task, completed=done, total=total)
        speed = bars.tasks[task].speed
        bars.update(task, rate=f"{speed:,.0f} events/s" if speed else "")

    return ProgressReport(update, lambda sentence: terminal.print_to_stderr(f"{entry.name}: {sentence}"))


WORK: dict[str, ReadModelWork] = {"rebuild": rebuild, "verify": verify}
