"""`up`: run the system until it is asked to stop.

SIGTERM, Ctrl-C and a closed terminal stop everything within 10 s. Exits 0, or 130 before the system is ready.
"""

import signal

from local import terminal
from local.data_folder import AlreadyRunning, FolderUnusable
from local.plan import Plan, SystemFailed
from local.server import ServerFailed
from local.supervision import SupervisionFailed
from local.system import running_system

_INTERRUPTED = 130
"""The exit code of what was stopped before it had begun, as in shells: 128 + SIGINT."""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _StopRequested(BaseException):
    """A signal asked the system to stop."""


def up(plan: Plan) -> int:
    """Run the system until it is asked to stop, and return the exit code."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _request_stop)
    ready = False
    try:
        with running_system(plan) as system:
            terminal.print_line(f"kafka_bootstrap_servers={system.addresses.kafka}")
            terminal.print_line(f"database_url={system.addresses.database}")
            if system.addresses.read_models:
                terminal.print_line(f"read_database_url={system.addresses.read_models}")
            if system.addresses.api:
                terminal.print_line(f"api_url={system.addresses.api}")
            for role, url in system.health.items():
                terminal.print_line(f"{role.replace('-', '_')}_health_url={url}")
            ready = True
            terminal.print_line("ready")
            for line in system.overview():
                plan.say(line)
            system.keep_running()
    except _StopRequested:
        plan.say("stopped")
        return 0 if ready else _INTERRUPTED
    except (SystemFailed, AlreadyRunning, FolderUnusable, ServerFailed, SupervisionFailed) as error:
        plan.say(f"redletter up: {error}")
    return 1


def _request_stop(*_: object) -> None:
    # A second signal must not interrupt the stop.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise _StopRequested
