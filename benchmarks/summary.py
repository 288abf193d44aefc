"""What the runs come to: medians, their spread, and how the programs compare."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from statistics import median
from typing import TypedDict

from benchmarks.stopwatch import Measurement

PROGRAMS: Mapping[str, str] = {
    "naive": "documented service",
    "streams": "Kafka Streams, exactly once",
    "redletter": "redletter: worker and relay",
    "sealed": "redletter: with sealing",
    "visible": "redletter: all roles",
    "raw": "raw pipe",
}
"""What is measured, in this order."""
PROCESSES = ("worker", "relay", "projector", "clock", "postgres", "kafka")
TIMES_NAIVE = 12.0
"""Least times of the naive program's median."""
OF_STREAMS = 0.7
"""Least share of Kafka Streams' median."""
OF_CLEAR = 0.95
"""Least share of the median without sealing."""
OF_RAW = 0.5
"""Least share of the raw pipe's median."""

Runs = Mapping[str, Sequence[Measurement]]
"""By program."""


class WholeFigures(TypedDict):
    """The figures of each run: commands a second until visible, and microseconds of CPU a command by process."""

    visible: list[float]
    cpu_us: dict[str, list[float]]


def spread(rates: Sequence[float]) -> float:
    """Return the width between the slowest and the fastest run, as a share of the median."""
    return (max(rates) - min(rates)) / median(rates)


def median_and_range(values: Iterable[float]) -> str:
    """Format the median of some runs, with the lowest and the highest."""
    runs = sorted(values)
    middle = f"{median(runs):,.0f}"
    return f"{middle} ({runs[0]:,.0f}-{runs[-1]:,.0f})" if len(runs) > 1 else middle


def line_of(program: str, measured: Measurement) -> str:
    """Say in one line what one run took."""
    visible = f", {measured.visible:,.0f} visible in every read model" if measured.visible else ""
    cpu = ", ".join(f"{name} {us:.0f}" for name, us in in_order(measured.cpu_us).items())
    total = sum(measured.cpu_us.values())
    return f"{program:<10}{measured.published:>7,.0f} commands/s{visible}; CPU us a command: {cpu}, sum {total:.0f}"


def in_order(cpu_us: Mapping[str, float]) -> Mapping[str, float]:
    """Return the figures in the order in which commands meet the processes."""
    return {name: cpu_us[name] for name in sorted(cpu_us, key=PROCESSES.index)}


COLUMNS = ("program", "published/s", "visible/s", *(f"{name} us" for name in PROCESSES), "sum us")
"""Commands a second until published, and until visible in every read model; microseconds of CPU a command."""


def rows(runs: Runs) -> Iterable[Sequence[str]]:
    """Return the rows of the table: medians of the runs, with the lowest and the highest."""
    for program, of_one in runs.items():
        yield PROGRAMS[program], *_cells(of_one)


def _cells(of_one: Sequence[Measurement]) -> Iterable[str]:
    yield median_and_range(measured.published for measured in of_one)
    visible = [measured.visible for measured in of_one if measured.visible]
    yield median_and_range(visible) if visible else ""
    cpu = whole_figures(of_one)["cpu_us"]
    for process in PROCESSES:
        yield f"{median(cpu[process]):,.0f}" if process in cpu else ""
    yield median_and_range(sum(measured.cpu_us.values()) for measured in of_one)


def whole_figures(of_one: Sequence[Measurement]) -> WholeFigures:
    """Return the figures of a program, run by run."""
    return {
        "visible": [measured.visible for measured in of_one if measured.visible],
        "cpu_us": {name: [measured.cpu_us[name] for measured in of_one] for name in in_order(of_one[0].cpu_us)},
    }


def verdicts(runs: Runs) -> Iterable[str]:
    """Say how redletter's worker and relay compare with the others, and with what was wanted."""
    ours = runs.get("redletter")
    if ours and "naive" in runs:
        yield f"{_ratio(ours, runs['naive']):.1f} times the documented service (wanted {TIMES_NAIVE:.0f} or more)"
    if ours and "streams" in runs:
        rate, cpu = _ratio(ours, runs["streams"]), _cpu_us(ours) / _cpu_us(runs["streams"])
        yield f"{rate:.2f} of Kafka Streams (wanted {OF_STREAMS} or more), at {cpu:.1f} times its CPU a command"
    if ours and "sealed" in runs:
        yield f"{_ratio(runs['sealed'], ours):.2f} of it with sealing (wanted {OF_CLEAR} or more)"
    if ours and "raw" in runs:
        yield f"{_ratio(ours, runs['raw']):.2f} of the raw pipe (wanted {OF_RAW} or more)"


def _ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float:
    return median(run.published for run in ours) / median(run.published for run in theirs)


def _cpu_us(of_one: Sequence[Measurement]) -> float:
    return median(sum(run.cpu_us.values()) for run in of_one)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that so many percent of the values do not exceed. Source: nearest-rank method."""
    return sorted(values)[max(0, ceil(len(values) * share / 100) - 1)]


def milliseconds(seconds: Iterable[float]) -> str:
    """Format the median of some runs in milliseconds, with the lowest and the highest."""
    runs = sorted(1000 * run for run in seconds)
    return f"{median(runs):.1f} ({runs[0]:.1f}-{runs[-1]:.1f})" if len(runs) > 1 else f"{runs[0]:.1f}"
