"""The CPU time of processes, each with all of its children, those that have ended included."""

import os
from collections.abc import Mapping

import psutil

CpuSeconds = Mapping[str, float]
"""Seconds of CPU since the start, user and system, by the name of a process."""


def cpu_seconds(pids: Mapping[str, int]) -> CpuSeconds:
    """Return what each process has used until now. Raises: psutil.NoSuchProcess when one has ended."""
    return {name: _of_tree(psutil.Process(pid)) for name, pid in pids.items()}


def own_cpu_seconds(servers: Mapping[str, int]) -> CpuSeconds:
    """Return what this program has used, and the servers that may be among its children, one by one."""
    used = cpu_seconds({"program": os.getpid()} | dict(servers))
    return {**used, "program": used["program"] - sum(used[name] for name in servers)}


def _of_tree(root: psutil.Process) -> float:
    return _of_one(root) + sum(_of_child(child) for child in root.children(recursive=True))


def _of_child(child: psutil.Process) -> float:
    try:
        return _of_one(child)
    except psutil.NoSuchProcess:  # ended just now: its parent has its time
        return 0.0


def _of_one(process: psutil.Process) -> float:
    times = process.cpu_times()
    # The children's are of those that ended and were waited for, such as sessions of the database.
    return times.user + times.system + times.children_user + times.children_system
