"""The demo: a separate system, and the journeys of an invoice played through Kafka, with every end checked."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from local import terminal
from local.data_folder import AlreadyRunning, FolderUnusable
from local.demo.journeys import journeys
from local.demo.stage import JourneyFailed, Servers
from local.plan import Plan, SystemFailed
from local.server import ServerFailed
from local.supervision import SupervisionFailed
from local.system import running_system
from transport.addresses import Addresses


def play(
    role_command: Callable[[str], Sequence[str]], migrate: Callable[[Addresses, int], None], token: str | None
) -> int:
    """Run the demo on a separate system, in a folder that is then removed, and return the exit code.

    role_command, migrate: as in `Plan`. token: as in `Servers`. 0: every journey ended as expected; 1: one did not,
    or the start failed.
    """
    folder = Path(tempfile.mkdtemp(prefix="redletter-demo-"))
    try:
        # Settings about another Kafka are not for this one.
        own = {name: value for name, value in os.environ.items() if not name.startswith("REDLETTER_KAFKA_")}
        plan = Plan(folder=folder, command=role_command, migrate=migrate, api_port=0, environment=own, show_logs=False)
        with running_system(plan) as system:
            servers = Servers(system.addresses.kafka, str(system.addresses.api), token)
            asyncio.run(journeys(servers, terminal.print_line))
            terminal.print_line("All journeys ended as expected. Stopping.")
    except (JourneyFailed, SystemFailed, ServerFailed, SupervisionFailed, AlreadyRunning, FolderUnusable) as failure:
        terminal.print_to_stderr(f"redletter demo: {failure}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    terminal.print_line("The demo succeeded.")
    return 0
