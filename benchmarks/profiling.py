"""Show where the CPU time of the roles goes: the functions at work, in microseconds of CPU a command.

All roles run as in earnest, some of them under a sampling profiler, and do the benchmark's commands. A function's own
time includes the libraries that it calls, but no other function of ours; its total time includes these, too. A role
is slower under the profiler than without. The stacks are written to a folder, one file a role, for
https://www.speedscope.app or any other viewer of flame graphs.
"""

import asyncio
import sysconfig
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.command_line import add_output, described_parser, positive_number, run_program, some_of
from benchmarks.cpu import cpu_seconds
from benchmarks.fresh_servers import servers, system
from benchmarks.profiler_stacks import Stacks, own_time, read_stacks, total_time
from benchmarks.programs import READ_SIDE, WRITE_SIDE, Process, running
from benchmarks.stopwatch import stopwatch
from benchmarks.workload import STEPS, waves
from local import terminal
from projections import schema
from redletter import logs
from redletter.roles import role_command
from transport.addresses import Addresses

ROLES = (*WRITE_SIDE, *READ_SIDE)
ROOMS = ("events", "rules", "transport", "service", "projections", "redletter")
COMMANDS = 24_000
WARMING = 100
"""Invoices before the CPU is counted."""
SHOWN = 25
"""Functions of each role that are shown."""
RATE = 250
"""Samples a second."""


async def profile(servers: Addresses, output: Path, roles: Sequence[str], commands: int) -> Mapping[str, float]:
    """Let the system do the commands, and write the stacks of these roles into a folder.

    Return their CPU, in microseconds a command.
    """
    invoices = commands // len(STEPS)
    lines = {role: _sampled(role, output) if role in roles else role_command(role) for role in ROLES}
    async with system(servers) as own, AsyncExitStack() as stack:
        logs_folder = Path(stack.enter_context(TemporaryDirectory(prefix="redletter-bench-logs-")))
        await asyncio.to_thread(schema.ensure_read_tables, own.database)
        with running(lines, own, logs_folder) as processes:
            async with stopwatch(own, processes, {}, read_side=True) as clock:
                await clock.run(waves(range(invoices, invoices + WARMING)), [])
                sampled = {one.name: _sampled_process(one) for one in processes if one.name in roles}
                before = cpu_seconds({name: one.pid for name, one in sampled.items()})
                await clock.run(waves(range(invoices)), [])
                after = cpu_seconds({name: one.pid for name, one in sampled.items()})
            for one in processes:
                if one.name in roles:
                    sampled[one.name].terminate()  # the profiler then writes what it has, and ends
                    await asyncio.to_thread(one.running.wait)
    return {name: (after[name] - before[name]) / commands * 1e6 for name in sampled}


def _sampled(role: str, output: Path) -> Sequence[str]:
    profiler = Path(sysconfig.get_path("scripts")) / "py-spy"
    options = ("--format", "raw", "--nolineno", "--rate", str(RATE), "--output", str(output / f"{role}.txt"))
    return (str(profiler), "record", *options, "--", *role_command(role))


def _sampled_process(profiler: Process) -> psutil.Process:
    """Return the process of the role, which the profiler starts."""
    (role,) = psutil.Process(profiler.running.pid).children()
    return role


def rows(stacks: Stacks, cpu_us: float) -> Iterable[Sequence[str]]:
    """Return the functions that took the most time of their own, of so many microseconds."""
    own, total, samples = own_time(stacks, ROOMS), total_time(stacks, ROOMS), sum(stacks.values())
    for function, count in own.most_common(SHOWN):
        whole = total[function] or count
        yield f"{count / samples:.1%}", f"{cpu_us * count / samples:.1f}", f"{cpu_us * whole / samples:.1f}", function


def main() -> None:
    """Profile and print."""
    given = _arguments()
    logs.configure("critical")
    given.output.mkdir(parents=True, exist_ok=True)
    terminal.print_line(f"profiling {', '.join(given.roles)} over {given.commands:,} commands")
    with servers() as (addresses, _):
        cpu_us = asyncio.run(profile(addresses, given.output, given.roles, given.commands))
    for role in given.roles:
        terminal.print_line(f"{role}: {cpu_us[role]:.0f} us of CPU a command, of which")
        stacks = read_stacks((given.output / f"{role}.txt").read_text().splitlines())
        terminal.print_table(("own", "own us", "total us", "function"), rows(stacks, cpu_us[role]))
    terminal.print_line(f"stacks: {given.output}")


def _arguments() -> Namespace:
    parser = described_parser("profiling", __doc__)
    parser.add_argument("--roles", type=some_of(ROLES), default=ROLES, help=f"{','.join(ROLES)} by default")
    parser.add_argument("--commands", type=positive_number, default=COMMANDS, help="%(default)s by default")
    add_output(parser, "profile")
    return parser.parse_args()


if __name__ == "__main__":
    run_program(main)
