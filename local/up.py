"""The whole system on this machine: servers, tables and topics, and every role, kept running until it is asked to stop.

SIGTERM, Ctrl-C and a closed terminal stop everything within 10 s, and the exit code is 0.
"""

import os
import signal
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from local import ports, running, terminal
from local.embedded import Server, ServerFailed, last_lines
from local.following import Following
from local.kafka_server import KafkaServer
from local.postgres_server import PostgresServer
from local.program import Program
from local.readiness import Readiness
from local.running import AlreadyRunning, FolderUnusable, Running
from local.supervision import Group, SupervisionFailed, Tree, hold
from local.waiting import wait_until
from transport.addresses import Addresses

ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")
USUAL_API_PORT = 8080
SERVERS_WITHIN = 60.0
READY_WITHIN = 60.0
"""Seconds until the servers answer, and until all roles are at work."""
LOOK_EVERY = 0.5
"""Seconds between two looks at the programs."""
_ROLE_STOPS_WITHIN = 5.0
_SERVER_STOPS_WITHIN = 3.0
"""Seconds; together, and with supervisord's own second, less than 10."""


class Failed(Exception):
    """The system could not be started; the message says what and why."""


class _Asked(BaseException):
    """Somebody asked for the system to stop."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run.

    folder: of the embedded servers' files, the logs and the locks.
    command: the command line of a role, by its name.
    migrate: creates or upgrades topics and tables with that many partitions.
    kafka, database: the addresses of real servers; None runs an embedded one.
    api_port: None is 8080, or any free one where that is taken; 0 is any free one.
    partitions: of every topic, and of the log.
    without: roles that are left out.
    say: told of progress, a line at a time.
    show_logs: copy the roles' logs to standard error.
    """

    folder: Path
    command: Callable[[str], Sequence[str]]
    migrate: Callable[[Addresses, int], None]
    kafka: str | None = None
    database: str | None = None
    api_host: str = "127.0.0.1"
    api_port: int | None = None
    partitions: int = 8
    without: Collection[str] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    say: Callable[[str], None] = terminal.tell
    show_logs: bool = True

    @property
    def roles(self) -> Sequence[str]:
        """The roles that run."""
        return [role for role in ROLES if role not in self.without]


def up(plan: Plan) -> int:
    """Run the system until it is asked to stop, and return the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ask)
    try:
        with system(plan) as found:
            terminal.say(f"kafka_bootstrap_servers={found.running.kafka}")
            terminal.say(f"database_url={found.running.database}")
            if found.running.api:
                terminal.say(f"api_url={found.running.api}")
            terminal.say("ready")
            found.keep_running()
    except _Asked:
        plan.say("stopped")
        return 0
    except (Failed, AlreadyRunning, FolderUnusable, ServerFailed, SupervisionFailed) as error:
        plan.say(f"redletter up: {error}")
    return 1


def _ask(*_: object) -> None:
    # Once is enough: a second one must not cut the stop short.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise _Asked


@dataclass(frozen=True, slots=True)
class System:
    """A running system."""

    running: Running
    tree: Tree
    plan: Plan

    def keep_running(self) -> None:
        """Start again what died too often for supervisord, for ever. Raises: SupervisionFailed."""
        pids: dict[str, int] = {}
        while True:
            self.look(pids)
            time.sleep(LOOK_EVERY)

    def look(self, pids: dict[str, int]) -> None:
        """Look at all programs once. pids: what was found the last time, brought up to date."""
        self.tree.revive()
        for state in self.tree.states():
            before = pids.get(state.name)
            if state.pid and before and state.pid != before:
                self.plan.say(f"{state.name} died and was started again")
            if state.pid:
                pids[state.name] = state.pid


@contextmanager
def system(plan: Plan) -> Generator[System]:
    """Run the system for the length of a block, ready from its beginning, and stop everything at its end.

    Raises: AlreadyRunning, Failed, FolderUnusable, ServerFailed, SupervisionFailed.
    """
    folder = plan.folder.resolve()
    api = _api_url(plan)
    # Nothing is touched before the tree of an `up` that was killed has ended: its servers have their files and ports.
    with _private_files(), running.take(folder), hold(folder) as held:
        servers = _servers(plan, folder)
        for server in servers.values():
            server.prepare()
        found = _addresses(plan, servers, api)
        tree = Tree(folder, _groups(plan, servers), _environment(plan, found, folder), held)
        with tree.running(), _following(tree, plan):
            yield _start(System(found, tree, plan), servers, folder)


def _start(system: System, servers: Mapping[str, Server], folder: Path) -> System:
    plan, tree = system.plan, system.tree
    if servers:
        plan.say(f"starting {' and '.join(servers)}")
        tree.start("servers")
    for name, server in servers.items():
        if not wait_until(server.answers, within=SERVERS_WITHIN):
            msg = f"{name} does not answer; its log ends with:\n{last_lines(tree.log(name))}"
            raise Failed(msg)
    plan.say("creating or upgrading topics and tables")
    _migrate(system)
    readiness = Readiness(system.running, plan.roles)
    readiness.remember_earlier()
    plan.say(f"starting {', '.join(plan.roles)}")
    tree.start("roles")
    _wait_until_ready(system, readiness)
    running.write(folder, system.running)
    return system


def _migrate(system: System) -> None:
    try:
        system.plan.migrate(Addresses(system.running.kafka, system.running.database), system.plan.partitions)
    except Exception as error:
        msg = f"topics and tables could not be created or upgraded: {error}"
        raise Failed(msg) from error


def _wait_until_ready(system: System, readiness: Readiness) -> None:
    pids: dict[str, int] = {}
    lacking: list[str] = []

    def ready() -> bool:
        system.look(pids)
        lacking[:] = readiness.lacking()
        return not lacking

    if not wait_until(ready, within=READY_WITHIN, every=0.1):
        states = {state.name: state.word.lower() for state in system.tree.states()}
        told = "\n".join(f"{role} ({states[role]}):\n{last_lines(system.tree.log(role))}" for role in lacking)
        msg = f"{', '.join(lacking)} not at work after {READY_WITHIN:g} s; their logs end with:\n{told}"
        raise Failed(msg)


def _servers(plan: Plan, folder: Path) -> dict[str, Server]:
    servers: dict[str, Server] = {}
    if plan.kafka is None:
        servers["kafka"] = KafkaServer(folder / "kafka", plan.say)
    if plan.database is None:
        servers["postgres"] = PostgresServer(folder / "postgres", plan.say)
    return servers


def _addresses(plan: Plan, servers: Mapping[str, Server], api: str | None) -> Running:
    kafka = plan.kafka or servers["kafka"].address
    database = plan.database or servers["postgres"].address
    return Running(kafka, database, api)


def _api_url(plan: Plan) -> str | None:
    """Return where the api will be found, or None where it is left out. Raises: Failed when it could not listen."""
    if "api" not in plan.roles:
        return None
    try:
        port = _api_port(plan)
    except OSError as error:
        msg = (
            f"the api cannot listen on {plan.api_host}: {error.strerror}; set REDLETTER_API_HOST to an address of this "
            "machine"
        )
        raise Failed(msg) from None
    host = "127.0.0.1" if plan.api_host == "0.0.0.0" else plan.api_host  # noqa: S104 - not bound, compared
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _api_port(plan: Plan) -> int:
    wanted = USUAL_API_PORT if plan.api_port is None else plan.api_port
    if ports.is_free(wanted, plan.api_host) and wanted:
        return wanted
    if plan.api_port:
        msg = f"port {plan.api_port} is taken; set REDLETTER_API_PORT to another, or to 0 for any free one"
        raise Failed(msg)
    return ports.free(1)[0]


@contextmanager
def _private_files() -> Generator[None]:
    """Let nobody but this user read what this process and its children write."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _groups(plan: Plan, servers: Mapping[str, Server]) -> Sequence[Group]:
    run = [replace(server.program(), stop_within=_SERVER_STOPS_WITHIN) for server in servers.values()]
    roles = [Program(role, tuple(plan.command(role)), stop_within=_ROLE_STOPS_WITHIN) for role in plan.roles]
    return [Group("servers", run), Group("roles", roles)]


def _environment(plan: Plan, found: Running, folder: Path) -> Mapping[str, str]:
    return {
        **plan.environment,
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": found.kafka,
        "REDLETTER_DATABASE_URL": found.database,
        "REDLETTER_API_HOST": plan.api_host,
        **({"REDLETTER_API_PORT": found.api.rpartition(":")[2]} if found.api else {}),
        "REDLETTER_DATA_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
    }


def _following(tree: Tree, plan: Plan) -> AbstractContextManager[object]:
    if not (plan.roles and plan.show_logs):
        return nullcontext()
    return Following({role: tree.log(role) for role in plan.roles})
