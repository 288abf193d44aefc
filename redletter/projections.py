"""`projections`: list, rebuild and verify the read models."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import psycopg
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
from projections.models import MODELS, REBUILT, Entry
from projections.operations import lag
from projections.rebuild.code import fingerprint
from projections.rebuild.rebuilding import Outcome, Told, rebuild, verify
from transport.addresses import Addresses

_BUILT = "select model, code, being_built_by is not null, stopped from projections.built"

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
    with psycopg.connect(addresses.database) as connection:
        built = {model: (code, building, why) for model, code, building, why in connection.execute(_BUILT)}
    for name, entry in MODELS.items():
        own = behind.get(entry.consumer)
        messages, seconds = (str(own.messages), f"{own.seconds:.1f}") if own else ("-", "-")
        yield name, messages, seconds, _state(*built.get(name, ("", False, None)))


def _state(code: str, building: bool, stopped: str | None) -> str:  # noqa: FBT001 - columns of a row
    words = [
        f"stopped: {stopped}" if stopped else "going on",
        "" if code == fingerprint() else "built by other code",
        "a rebuild is under way, or was interrupted" if building else "",
    ]
    return "; ".join(word for word in words if word)


async def _lags(addresses: Addresses) -> list[lag.Lag]:
    async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
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
