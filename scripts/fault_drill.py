"""Inject faults into a running system, and see `redletter check` and the alerts name each: `make drill-alerts`.

Needs `prometheus` (Debian's package) on the path or in .cache/prometheus. Everything runs in a folder of its own, which
is removed. Prints a table for docs/operating.md; exits 1 if a fault was not named within a minute.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import yaml

from local import ports
from local.waiting import wait_until
from transport.clients import postgres

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).parent / "redletter"
PROMETHEUS = shutil.which("prometheus", path=f"{os.environ['PATH']}:{ROOT / '.cache/prometheus/usr/bin'}")
NAMED_WITHIN = 60.0
CLEAR_SECONDS = 90.0
ROLES = ("worker", "relay", "projector", "clock", "api")


class Running(NamedTuple):
    """A system that is up. health: the address of each role's own server."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    kafka: str
    database: str
    api: str
    health: dict[str, str]

    def execute(self, *statements: str) -> None:
        """Run SQL."""
        with postgres.connect(self.database, "drill") as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes of this system whose command lines have one of these words."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if any(word in " ".join(child.cmdline()) for word in words)]

    def check(self) -> str:
        """Return what `redletter check` says."""
        try:
            done = subprocess.run(
                [PROGRAM, "check"], env=self.environment, capture_output=True, text=True, check=False, timeout=30
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout + done.stderr


Do = Callable[[Running], None]


class Fault(NamedTuple):
    """A fault, what names it, and how it is ended. alert: without its prefix. check: what `redletter check` says."""

    what: str
    inject: Do
    repair: Do
    alert: str
    check: str


def sql(*statements: str) -> Do:
    """Return what runs SQL."""
    return lambda system: system.execute(*statements)


def send(number: signal.Signals, *words: str) -> Do:
    """Return what sends a signal to processes."""

    def signalled(system: Running) -> None:
        for process in system.processes(*words):
            process.send_signal(number)

    return signalled


def frozen(what: str, alert: str, check: str, *words: str) -> Fault:
    """Return the fault of processes that stand still."""
    return Fault(what, send(signal.SIGSTOP, *words), send(signal.SIGCONT, *words), alert, check)


_TIMER = """
    insert into redletter.timers (id, partition, name, invoice_number, body, due_at, causation_id, correlation_id,
        attempt, opened_at)
    values ('drill-{attempt}', 100, 'IssueCreditNote.v1', '26000000000000000001', '', now() + interval '1 day', '', '',
        {attempt}, now() - interval '2 hours')
"""
_RETURN = """
    insert into projections.returns (account_id, invoice_number, return_id, phase, requested_at, due_latest, overdue,
        attempts, route) values ('drill', '26000000000000000001', 'drill', 'opening_form', now() - interval '9 days',
        now() - interval '3 days', true, 0, 'simple')
"""


def _all_at_once() -> Sequence[Fault]:
    """Return faults that do not hide each other."""
    return [
        Fault(
            "a read model stops on a partition",
            sql(
                "insert into projections.stopped (model, topic, partition, next, why)"
                " values ('forms', 'invoice.events', 2, 0, 'drill')"
            ),
            sql("delete from projections.stopped"),
            "ReadModelStopped",
            "READ_MODEL_STOPPED",
        ),
        Fault(
            "a read model cannot fold an event",
            sql(
                "insert into projections.parked (model, invoice_number, topic, partition, record_offset, version, why)"
                " values ('details', '26000000000000000001', 'invoice.events', 0, 7, 5, 'drill')"
            ),
            sql("delete from projections.parked"),
            "InvoicesOutOfDate",
            "INVOICES_OUT_OF_DATE",
        ),
        Fault(
            "a command cannot be decided",
            sql(
                "insert into redletter.parked_invoices (invoice_number, error, last_turn, last_place, commands, bytes)"
                " values ('26000000000000000001', 'drill', 1, 1, 1, 1)"
            ),
            sql("delete from redletter.parked_invoices"),
            "InvoicesParked",
            "INVOICES_PARKED",
        ),
        Fault(
            "a return is overdue",
            sql(_RETURN),
            sql("delete from projections.returns where return_id = 'drill'"),
            "ReturnsOverdue",
            "returns are overdue",
        ),
        Fault(
            "the tax side does not answer",
            sql(_TIMER.format(attempt=3)),
            sql("delete from redletter.timers where id = 'drill-3'"),
            "TaxSideSilent",
            "are repeated and not answered",
        ),
        Fault(
            "a tax request is not sent",
            sql(_TIMER.format(attempt=0)),
            sql("delete from redletter.timers where id = 'drill-0'"),
            "TaxRequestsNotSent",
            "wait to be sent",
        ),
    ]


def rounds() -> Sequence[Sequence[Fault]]:
    """Return the faults that are injected together, round by round."""
    return [
        _all_at_once(),
        [
            frozen("a worker is frozen", "RoleMissing", "No worker is running", "redletter worker"),
            frozen("a relay is frozen", "RoleDown", "No relay is running", "redletter relay"),
            frozen("a projector is frozen", "RoleMissing", "No projector is running", "redletter projector"),
            frozen("a clock is frozen", "RoleMissing", "No clock is running", "redletter clock"),
        ],
        [frozen("the api is frozen", "SystemUnobserved", "", "redletter api")],
        [frozen("Kafka is frozen", "ServerAway", "Kafka", "kafka.Kafka")],
        [frozen("PostgreSQL is frozen", "ServerAway", "PostgreSQL", "postgres")],
    ]


@contextmanager
def running_system(folder: Path) -> Generator[Running]:
    """Run a whole system for the length of a block."""
    environment = {
        **os.environ,
        "REDLETTER_DATA_DIR": str(folder / "data"),
        "REDLETTER_HEALTH_PORT": "0",
        "REDLETTER_API_PORT": "0",
    }
    with (folder / "up.log").open("w") as log:
        command = [PROGRAM, "up", "--without", "tax-simulator"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        said: dict[str, str] = {}
        assert process.stdout
        for line in process.stdout:
            if line == "ready\n":
                break
            name, _, value = line.strip().partition("=")
            said[name] = value
        health = {role: said[f"{role}_health_url"] for role in ROLES}
        yield Running(
            process, environment, said["kafka_bootstrap_servers"], said["database_url"], said["api_url"], health
        )
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


@contextmanager
def prometheus(folder: Path, system: Running) -> Generator[str]:
    """Run Prometheus with the alerts, and give its address. Raises: SystemExit where there is none."""
    if PROMETHEUS is None:
        sys.exit("there is no prometheus; on Debian: apt-get download prometheus, then dpkg-deb --extract")
    (port,) = ports.free(1)
    roles = [
        {"targets": [url.removeprefix("http://")], "labels": {"role": role}} for role, url in system.health.items()
    ]
    configuration = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "3s", "evaluation_interval": "5s"},
        "rule_files": [str(ROOT / "deploy/prometheus/alerts.yml")],
        "scrape_configs": [
            {"job_name": "redletter", "static_configs": roles},
            {"job_name": "redletter-system", "static_configs": [{"targets": [system.api.removeprefix("http://")]}]},
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{port}"
    options = (f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}")
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([PROMETHEUS, *options], stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def firing(address: str) -> set[str]:
    """Return the names of the alerts that fire, without their prefix."""
    try:
        alerts = httpx.get(f"{address}/api/v1/alerts", timeout=5).json()["data"]["alerts"]
    except httpx.HTTPError:
        return set()
    return {one["labels"]["alertname"].removeprefix("Redletter") for one in alerts if one["state"] == "firing"}


def drill(faults: Sequence[Fault], system: Running, address: str) -> bool:
    """Inject faults, print a row for each when it has been named twice, and repair them. Return whether all were."""
    wait_until(lambda: not firing(address) & {fault.alert for fault in faults}, seconds=CLEAR_SECONDS)
    for fault in faults:
        fault.inject(system)
    began, alerted, checked = time.monotonic(), dict[str, float](), dict[str, float]()
    while time.monotonic() - began < NAMED_WITHIN and len(alerted) + len(checked) < 2 * len(faults):
        found = firing(address)
        said = system.check()
        for fault in faults:
            if fault.alert in found:
                alerted.setdefault(fault.what, time.monotonic() - began)
            if fault.check in said:
                checked.setdefault(fault.what, time.monotonic() - began)
        time.sleep(1)
    for fault in faults:
        fault.repair(system)
        check, alert = (f"{seen[fault.what]:.0f} s" if fault.what in seen else "never" for seen in (checked, alerted))
        print(f"| {fault.what} | {fault.check or '-'} | {check} | Redletter{fault.alert} | {alert} |", flush=True)
    return len(alerted) == len(checked) == len(faults)


def main() -> int:
    """Run every round."""
    print("| fault | `redletter check` says | after | alert | after |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with running_system(folder) as system, prometheus(folder, system) as address:
            named = [drill(faults, system, address) for faults in rounds()]
            return 0 if all(named) else 1


if __name__ == "__main__":
    sys.exit(main())
