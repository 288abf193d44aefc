"""Inject faults into a running system, and see `redletter check` and the alerts name each: `make drill-alerts`.

Needs `prometheus` (Debian's package) on the path or in .cache/prometheus. Everything runs in a folder of its own, which
is removed. The log and the read models have a database each. Prints a table for docs/operating.md; exits 1 if a fault
was not named within a minute.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import yaml

from local import ports
from local.kafka_server import embedded_kafka
from local.postgres_server import embedded_postgres
from local.waiting import wait_until
from scripts.faults import CALENDAR, PROGRAM, ROLES, Fault, Running, rounds
from transport.clients import postgres

ROOT = Path(__file__).parents[1]
PROMETHEUS = shutil.which("prometheus", path=f"{os.environ['PATH']}:{ROOT / '.cache/prometheus/usr/bin'}")
NAMED_WITHIN = 60.0
CLEAR_SECONDS = 150.0
"""Seconds that the alerts of a round may take to end that the rounds before have brought about."""


@contextmanager
def running_system(folder: Path) -> Generator[Running]:
    """Run a whole system for the length of a block."""
    (later_api,) = ports.free(1)
    with embedded_kafka(folder / "kafka") as kafka, embedded_postgres(folder / "postgres") as server:
        read_models = f"{server.url.rpartition('/')[0]}/read_models"
        with postgres.connect(server.url, "drill") as connection:
            connection.execute("create database read_models")
        (folder / "calendar.json").write_text(json.dumps(CALENDAR))
        environment = {
            **os.environ,
            "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "REDLETTER_DATABASE_URL": server.url,
            "REDLETTER_READ_DATABASE_URL": read_models,
            "REDLETTER_DATA_DIR": str(folder / "data"),
            "REDLETTER_CALENDAR_FILE": str(folder / "calendar.json"),
            "REDLETTER_HEALTH_PORT": "0",
            "REDLETTER_API_PORT": "0",
            "REDLETTER_TAX_REPEAT_SECONDS": "86400",
            "REDLETTER_TAX_REPEAT_MAX_SECONDS": "86400",
        }
        with (folder / "up.log").open("w") as log:
            command = [PROGRAM, "up", "--without", "tax-simulator"]
            up = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        with ExitStack() as until_repaired:
            try:
                said = _addresses_of(up)
                environment["REDLETTER_API_URL"] = said["api_url"]
                health = {role: said[f"{role}_health_url"] for role in ROLES}
                yield Running(environment, said["api_url"], later_api, health, until_repaired)
            finally:
                for child in psutil.Process().children(recursive=True):
                    child.send_signal(signal.SIGCONT)
                up.terminate()
                up.wait(30)


def _addresses_of(up: "subprocess.Popen[str]") -> dict[str, str]:
    said: dict[str, str] = {}
    assert up.stdout
    for line in up.stdout:
        if line == "ready\n":
            return said
        name, _, value = line.strip().partition("=")
        said[name] = value
    sys.exit("the system did not start")


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
            {
                "job_name": "redletter-system",
                "static_configs": [{"targets": [system.api.removeprefix("http://"), f"127.0.0.1:{system.later_api}"]}],
            },
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


def firing(address: str) -> Sequence[Mapping[str, str]]:
    """Return the labels of the alerts that fire."""
    try:
        answer = httpx.get(f"{address}/api/v1/alerts", timeout=5).raise_for_status()
    except httpx.HTTPError:
        return []
    return [one["labels"] for one in answer.json()["data"]["alerts"] if one["state"] == "firing"]


def is_named(fault: Fault, alerts: Sequence[Mapping[str, str]]) -> bool:
    """Return whether an alert names a fault."""
    name = f"Redletter{fault.alert}"
    return any(one["alertname"] == name and fault.label in {"", *one.values()} for one in alerts)


def drill(faults: Sequence[Fault], system: Running, address: str) -> bool:
    """Inject faults, print a row for each when it has been named twice, and repair them. Return whether all were."""
    if not wait_until(lambda: not any(is_named(fault, firing(address)) for fault in faults), seconds=CLEAR_SECONDS):
        sys.exit(f"before anything is injected these alerts fire: {firing(address)}")
    injected: dict[str, float] = {}
    for fault in faults:
        fault.inject(system)
        injected[fault.what] = time.monotonic()
    alerted, checked = dict[str, float](), dict[str, float]()
    while time.monotonic() - max(injected.values()) < NAMED_WITHIN and len(alerted) + len(checked) < 2 * len(faults):
        alerts, said = firing(address), system.check()
        for fault in faults:
            since = time.monotonic() - injected[fault.what]
            if is_named(fault, alerts):
                alerted.setdefault(fault.what, since)
            if fault.check in said:
                checked.setdefault(fault.what, since)
        time.sleep(1)
    system.until_repaired.close()
    for fault in faults:
        fault.repair(system)
    passed = [_print_row(fault, checked.get(fault.what), alerted.get(fault.what)) for fault in faults]
    return all(passed)


def _print_row(fault: Fault, checked: float | None, alerted: float | None) -> bool:
    """Print the row of a fault, and return whether it was named twice in time."""
    check, alert = ("never" if after is None else f"{after:.0f} s" for after in (checked, alerted))
    label = f" ({fault.label})" if fault.label else ""
    print(f"| {fault.what} | {fault.check} | {check} | `Redletter{fault.alert}`{label} | {alert} |", flush=True)
    return all(after is not None and after <= NAMED_WITHIN for after in (checked, alerted))


def main() -> int:
    """Run the rounds, all of them or those whose numbers are given."""
    wanted = [rounds()[int(number) - 1] for number in sys.argv[1:]] or rounds()
    print("| fault | `redletter check` says | after | alert | after |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with running_system(folder) as system, prometheus(folder, system) as address:
            named = [drill(faults, system, address) for faults in wanted]
            return 0 if all(named) else 1


if __name__ == "__main__":
    sys.exit(main())
