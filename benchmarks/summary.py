"""What the runs come to: medians, their spread, and how the programs compare."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from statistics import median

from rich.table import Table

NAMES = {
    "naive": "a  one message at a time",
    "redletter": "b  redletter",
    "raw": "c  raw pipe",
}
TIMES_NAIVE = 12.0
"""Least times of the naive program's median."""
OF_RAW = 0.5
"""Least share of the raw pipe's median."""

Runs = Mapping[str, Sequence[float]]
"""Commands per second of each run, by program."""


def spread(rates: Sequence[float]) -> float:
    """Return the width between the slowest and the fastest run, as a share of the median."""
    return (max(rates) - min(rates)) / median(rates)


def ratios(runs: Runs) -> tuple[float, float]:
    """Return redletter's median over the naive program's, and over the raw pipe's."""
    ours = median(runs["redletter"])
    return ours / median(runs["naive"]), ours / median(runs["raw"])


def table(runs: Runs) -> Table:
    """Format the runs for people."""
    drawn = Table(title="commands per second, command topic to event and reply topic")
    drawn.add_column("program")
    for number, _ in enumerate(runs["redletter"], start=1):
        drawn.add_column(f"run {number}", justify="right")
    drawn.add_column("median", justify="right")
    drawn.add_column("spread", justify="right")
    for name, rates in runs.items():
        cells = [f"{rate:,.0f}" for rate in (*rates, median(rates))]
        drawn.add_row(NAMES[name], *cells, f"{spread(rates):.0%}")
    return drawn


def verdict(runs: Runs) -> str:
    """Say in one line how the programs compare, and with what was wanted."""
    times, share = ratios(runs)
    return f"b/a {times:.1f} (wanted {TIMES_NAIVE:.0f} or more)   b/c {share:.2f} (wanted {OF_RAW} or more)"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that so many percent of the values do not exceed. Source: nearest-rank method."""
    return sorted(values)[max(0, ceil(len(values) * share / 100) - 1)]


def milliseconds(seconds: Iterable[float]) -> str:
    """Show the median of some runs, with the lowest and the highest."""
    runs = sorted(1000 * run for run in seconds)
    return f"{median(runs):.1f} ({runs[0]:.1f}-{runs[-1]:.1f})"
