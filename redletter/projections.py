"""`projections`: list, rebuild and verify the read models."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

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
from projections import resuming
from projections.catalogue import MODELS, REBUILT, Entry
from projections.engine.fingerprint import fingerprint
from projections.publication.failing import PUBLICATION
from projections.rebuild import tables
from projections.rebuild.rebuilding import Outcome, Told, rebuild, verify
from transport.addresses import Addresses
from transport.clients import postgres
from web.operations import lag

_BUILT = "select model, code, being_built_by is not null from projections.built"
_SKIPPED = "select model, count(*) from projections.skipped group by model"

Work = Callable[[Addresses, Entry, Told], Awaitable[Outcome]]


class UnknownModel(Exception):
    """There is no such read model, or it cannot be rebuilt; the message names those that can."""


def chosen(names: Sequence[str]) -> list[Entry]:
    """Return the read models of these names; `all` is every one. Raises: UnknownModel."""
    wanted = list(REBUILT) if "all" in names else list(dict.fromkeys(names))
    for name in wanted:
        if name not in REBUILT:
            msg = f"{name} is no read model that can be rebuilt; there are {', '.join(REBUILT)}, or all"
            raise UnknownModel(msg)
    return [REBUILT[name] for name in wanted]


def told(addresses: Addresses) -> Iterator[tuple[str, ...]]:
    """Yield a row for each read model: name, lag in messages, lag in seconds, state."""
    behind = {one.consumer: one for one in asyncio.run(_lags(addresses))}
    with (
        postgres.connect(addresses.database, "projections") as connection,
        connection.cursor() as cur,
    ):
        built = {model: (code, building) for model, code, building in connection.execute(_BUILT)}
        skipped = {model: count for model, count in connection.execute(_SKIPPED)}  # noqa: C416 - as dict() of untyped rows is unknown
        old = {name: tables.left_over(cur, entry) for name, entry in REBUILT.items()}
    for name, entry in MODELS.items():
        own = behind.get(entry.consumer)
        messages, seconds = (str(own.messages), f"{own.seconds:.1f}") if own else ("-", "-")
        code, building = built.get(name, ("", False))
        words = [
            "; ".join(f"stopped: {stop.why}" for stop in resuming.standing(addresses.database, name)) or "going on",
            "" if code == fingerprint() else "built by other code",
            "a rebuild is under way, or was interrupted" if building else "",
            f"lacks {skipped[name]} skipped records: rebuild it" if name in skipped else "",
            f"{', '.join(old[name])} is left of a rebuild: the next one drops it" if old.get(name) else "",
        ]
        yield name, messages, seconds, "; ".join(word for word in words if word)
    if waiting := resuming.standing(addresses.database, PUBLICATION):
        yield PUBLICATION, "-", "-", f"stopped: {waiting[0].why}"


def resume(addresses: Addresses, name: str, *, skip: bool) -> tuple[list[str], bool]:
    """Take up a stopped read model; return what there is to say, and whether it goes on.

    Raises: UnknownModel, NotTried, PositionLost, psycopg.Error.
    """
    if name not in MODELS:
        msg = f"{name} is no read model; there are {', '.join(MODELS)}"
        raise UnknownModel(msg)
    entry = MODELS[name]
    if not resuming.standing(addresses.database, name):
        return [f"{name} has not stopped"], True
    skipped = resuming.step_over(addresses.database, entry) if skip else []
    cure = f"rebuild it once its code can read that: redletter projections rebuild {name}"
    told = [
        f"{name}: stepped over {one.topic}[{one.partition}] offset {one.record_offset}, which it lacks now ({one.why})"
        + (f"; {cure}" if name in REBUILT else "")
        for one in skipped
    ]
    if left := resuming.tried_again(addresses.database, entry):
        return [*told, *(f"{name} has stopped again: {one.why}" for one in left)], False
    return [*told, f"{name} goes on"], True


async def _lags(addresses: Addresses) -> list[lag.Lag]:
    async with await postgres.connect_async(addresses.database, "projections") as connection:
        return await lag.lags(addresses.kafka, lambda: lag.positions(connection))


def run(work: Work, addresses: Addresses, entries: Sequence[Entry]) -> dict[str, Outcome]:
    """Rebuild or verify read models, all at once, showing how far each is. Raises: Busy, KafkaError, psycopg.Error."""
    return asyncio.run(_run(work, addresses, entries))


async def _run(work: Work, addresses: Addresses, entries: Sequence[Entry]) -> dict[str, Outcome]:
    with terminal.progress(*_columns()) as bars:
        outcomes = await asyncio.gather(*(work(addresses, entry, _told(bars, entry)) for entry in entries))
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


def _told(bars: Progress, entry: Entry) -> Told:
    task = bars.add_task(entry.name, total=None, rate="")

    def progress(done: int, total: int) -> None:
        bars.update(task, completed=done, total=total)
        speed = bars.tasks[task].speed
        bars.update(task, rate=f"{speed:,.0f} events/s" if speed else "")

    return Told(progress, lambda sentence: terminal.tell(f"{entry.name}: {sentence}"))


WORK: dict[str, Work] = {"rebuild": rebuild, "verify": verify}
