"""Stacks as a sampling profiler writes them, and where the time of a process went by them.

A line of the profiler's raw format is a stack, outermost frame first, and how often it was seen: ``a;b;c 12``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Stacks = Mapping[Sequence[str], int]
"""How often each stack was seen."""


_START = ("importlib", "_relax_garbage_collection")
"""What is on the stack only while a role starts."""
_WAITS = ("EpollSelector.select (", "sigwait (", "OwnThread._run (", "Connection.wait (")
"""The innermost frames of threads that wait; the profiler does not know that they do."""


def read_stacks(lines: Iterable[str]) -> Stacks:
    """Read the raw format, without what a role does at its start and without threads that wait."""
    stacks: Counter[Sequence[str]] = Counter()
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        frames = tuple(stack.split(";"))
        if not frames[-1].startswith(_WAITS) and not any(name in stack for name in _START):
            stacks[frames] += int(count)
    return stacks


def own_time(stacks: Stacks, rooms: Sequence[str]) -> Counter[str]:
    """Return how often each function of these rooms was at work, itself or by a library that it called.

    A stack without any of them counts for its outermost frame: the framework, or the start of the program.
    """
    times: Counter[str] = Counter()
    for frames, count in stacks.items():
        times[next((frame for frame in reversed(frames) if is_in(frame, rooms)), frames[0])] += count
    return times


def total_time(stacks: Stacks, rooms: Sequence[str]) -> Counter[str]:
    """Return how often each function of these rooms was on the stack, whatever it called."""
    times: Counter[str] = Counter()
    for frames, count in stacks.items():
        for frame in {frame for frame in frames if is_in(frame, rooms)}:
            times[frame] += count
    return times


def is_in(frame: str, rooms: Sequence[str]) -> bool:
    """Return whether a frame, such as ``decide (service/worker/deciding.py)``, is in a room."""
    return frame.rpartition("(")[2].partition("/")[0] in rooms
