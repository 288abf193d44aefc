"""The whole system on this machine: servers, topics and tables, and every role, kept running."""

import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from local import data_folder, ports
from local.api_address import planned_api_url, url_at
from local.data_folder import SystemAddresses
from local.kafka_server import KafkaServer
from local.log_files import LogFollower, last_lines
from local.plan import Plan, SystemFailed
from local.postgres_server import PostgresServer
from local.programs import Program
from local.readiness import SystemReadiness
from local.server import Server
from local.supervision import ProcessTree, ProgramGroup, lock_tree
from local.waiting import wait_until
from transport.addresses import Addresses
from transport.clients import kafka as clients

_SERVERS_SECONDS = 60.0
"""Time limit for the servers to answer."""
_READY_SECONDS = 60.0
"""Time limit for all roles to work."""
_READY_INTERVAL_SECONDS = 0.1
_CHECK_INTERVAL_SECONDS = 0.5
_ROLE_STOP_SECONDS = 5.0
_SERVER_STOP_SECONDS = 3.0
"""Together, and with one second for supervisord, less than 10 s."""


@dataclass(frozen=True, slots=True)
class System:
    """A running system. health: the address at which each role serves its health, where it does."""

    addresses: SystemAddresses
    tree: ProcessTree
    plan: Plan
    health: Mapping[str, str]

    def overview(self) -> Iterator[str]:
        """Yield a line for each program that runs, and the address of the page."""
        for state in self.tree.states():
            yield f"{state.name:13}  {state.word.lower()}, process {state.pid}"
        if self.addresses.api:
            yield f"the page is at {self.addresses.api}/"

    def keep_running(self) -> None:
        """Restart what died too often for supervisord, forever. Raises: SupervisionFailed."""
        pids: dict[str, int] = {}
        while True:
            self.check(pids)
            time.sleep(_CHECK_INTERVAL_SECONDS)

    def check(self, pids: dict[str, int]) -> None:
        """Check all programs once, and report restarts. pids: those of the last check; they are updated."""
        self.tree.revive()
        for state in self.tree.states():
            before = pids.get(state.name)
            if state.pid and before and state.pid != before:
                self.plan.say(f"{state.name} died and was restarted")
            if state.pid:
                pids[state.name] = state.pid


@contextmanager
def running_system(plan: Plan) -> Generator[System]:
    """Run the system for the length of a block, ready from its beginning, and stop everything at its end.

    Raises: AlreadyRunning, FolderUnusable, ServerFailed, SupervisionFailed, SystemFailed.
    """
    folder = plan.folder.resolve()
    api = planned_api_url(plan)
    # Nothing is touched before the process tree of a killed `up` has ended: its servers use the files and ports.
    with _private_files(), data_folder.lock_folder(folder), lock_tree(folder) as lock:
        servers = _servers(plan, folder)
        for server in servers.values():
            server.prepare()
        found = _addresses(plan, servers, api)
        clients.secure(found.kafka, plan.kafka_security)
        health = dict(zip(plan.roles, ports.free(len(plan.roles)), strict=True)) if plan.health else {}
        tree = ProcessTree(folder, _groups(plan, servers, health), _environment(plan, found, folder), lock)
        with tree.running(), _showing_logs(tree, plan):
            urls = {role: url_at(plan.api_host, port) for role, port in health.items()}
            yield _start(System(found, tree, plan, urls), servers, folder)


def _start(system: System, servers: Mapping[str, Server], folder: Path) -> System:
    plan, tree = system.plan, system.tree
    if servers:
        plan.say(f"starting {' and '.join(servers)}")
        tree.start("servers")
    for name, server in servers.items():
        if not wait_until(server.answers, seconds=_SERVERS_SECONDS):
            msg = f"{name} does not answer; its log ends with:\n{last_lines(tree.log(name))}"
            raise SystemFailed(msg)
    plan.say("creating or upgrading topics and tables")
    _migrate(system)
    readiness = SystemReadiness(system.addresses, plan.roles)
    readiness.remember_earlier()
    plan.say(f"starting {', '.join(plan.roles)}")
    tree.start("roles")
    _wait_until_ready(system, readiness)
    data_folder.write_addresses(folder, system.addresses)
    return system


def _migrate(system: System) -> None:
    try:
        found = system.addresses
        system.plan.migrate(Addresses(found.kafka, found.database, found.read_models), system.plan.partitions)
    except Exception as error:
        msg = f"could not create or upgrade topics and tables: {error}"
        raise SystemFailed(msg) from error


def _wait_until_ready(system: System, readiness: SystemReadiness) -> None:
    pids: dict[str, int] = {}
    missing: list[str] = []

    def ready() -> bool:
        system.check(pids)
        missing[:] = readiness.missing()
        return not missing

    if not wait_until(ready, seconds=_READY_SECONDS, interval=_READY_INTERVAL_SECONDS):
        states = {state.name: state.word.lower() for state in system.tree.states()}
        logs = "\n".join(f"{role} ({states[role]}):\n{last_lines(system.tree.log(role))}" for role in missing)
        msg = f"not working after {_READY_SECONDS:g} s: {', '.join(missing)}; their logs end with:\n{logs}"
        raise SystemFailed(msg)


def _servers(plan: Plan, folder: Path) -> dict[str, Server]:
    servers: dict[str, Server] = {}
    if plan.kafka is None:
        servers["kafka"] = KafkaServer(folder / "kafka", plan.say, plan.advertised_kafka, plan.kafka_security)
    if plan.database is None:
        servers["postgres"] = PostgresServer(folder / "postgres", plan.say)
    return servers


def _addresses(plan: Plan, servers: Mapping[str, Server], api: str | None) -> SystemAddresses:
    kafka = plan.kafka or servers["kafka"].address
    database = plan.database or servers["postgres"].address
    user = (None, None) if plan.kafka else (plan.kafka_security.username, plan.kafka_security.password)
    return SystemAddresses(kafka, database, api, plan.read_models, *user)


@contextmanager
def _private_files() -> Generator[None]:
    """Create files for this user only, in this process and its children."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _groups(plan: Plan, servers: Mapping[str, Server], health: Mapping[str, int]) -> Sequence[ProgramGroup]:
    run = [replace(server.program(), stop_seconds=_SERVER_STOP_SECONDS) for server in servers.values()]
    roles = [
        Program(
            role,
            tuple(plan.command(role)),
            stop_seconds=_ROLE_STOP_SECONDS,
            environment={"REDLETTER_HEALTH_PORT": str(health[role])} if role in health else {},
        )
        for role in plan.roles
    ]
    return [ProgramGroup("servers", run), ProgramGroup("roles", roles)]


def _environment(plan: Plan, found: SystemAddresses, folder: Path) -> Mapping[str, str]:
    return {
        **plan.environment,
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": found.kafka,
        "REDLETTER_DATABASE_URL": found.database,
        "REDLETTER_READ_DATABASE_URL": found.read_models or "",
        "REDLETTER_API_HOST": plan.api_host,
        **({"REDLETTER_API_PORT": found.api.rpartition(":")[2]} if found.api else {}),
        "REDLETTER_DATA_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
    }


def _showing_logs(tree: ProcessTree, plan: Plan) -> AbstractContextManager[object]:
    if not (plan.roles and plan.show_logs):
        return nullcontext()
    return LogFollower({role: tree.log(role) for role in plan.roles})
