"""`redletter up`: one command, the whole system, and nothing left of it afterwards."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from local.waiting import wait_until
from tests.local.support.processes import alive
from tests.redletter.support.program import PROGRAM, redletter

STOP_WITHIN = 60.0
"""Seconds after which a test gives up."""
ROLES = ("worker", "relay", "projector", "clock", "api", "tax-simulator")
CHANGE_NOTHING = struct.pack(">ihhihib", 15, 44, 0, 1, -1, 0, 1)
"""Kafka's IncrementalAlterConfigs: size, key, version, correlation, no client, no resources, only to be validated."""
LOCKED = {
    "REDLETTER_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "REDLETTER_KAFKA_SASL_MECHANISM": "PLAIN",
    "REDLETTER_KAFKA_USERNAME": "me",
    "REDLETTER_KAFKA_PASSWORD": "a-password",
}
NUMBER = "26312000000000000002"
RETURN = {"type": "RequestReturn", "data": {"invoice_number": NUMBER, "account_id": "a"}}
UNKNOWN = {"type": "RequestReturn", "id": "once", "data": {"invoice_number": "26312000000000000001", "account_id": "a"}}
REGISTER = {
    "type": "RegisterInvoice",
    "data": {
        "invoice_number": NUMBER,
        "account_id": "a",
        "kind": "general",
        "issued_on": "2026-02-13",
        "seller": {"name": "Seller", "tax_id": "91330106MA2CFLDG4R"},
        "buyer": {"name": "Buyer"},
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
        "charges": [{"charge_id": "c", "amount": "106.00"}],
    },
}


@dataclass(frozen=True)
class Up:
    """A running `up` and what it printed."""

    process: subprocess.Popen[str]
    lines: Sequence[str]
    folder: Path

    def send(self, command: Mapping[str, object] = UNKNOWN) -> dict[str, object]:
        """Send a command, by default one that is refused, and return the reply."""
        file = self.folder / "commands.jsonl"
        file.write_text(json.dumps(command))
        return json.loads(redletter("send", str(file), REDLETTER_DATA_DIR=str(self.folder)).stdout)

    def status(self) -> str:
        """Return the status of the invoice that RETURN is about."""
        return redletter("status", NUMBER, REDLETTER_DATA_DIR=str(self.folder)).stdout

    def pids(self) -> list[int]:
        """Return every process that belongs to it, itself left out."""
        return [each.pid for each in self._processes()]

    def role(self, name: str) -> psutil.Process | None:
        """Return the process of a role, if it runs."""
        return next((each for each in self._processes() if f"redletter {name}" in _command_line(each)), None)

    def _processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has ended since
        return ""


@contextmanager
def up(folder: Path, *arguments: str, **settings: str) -> Generator[Up]:
    """Run `up` on a folder until the end of a block."""
    given = {"REDLETTER_DATA_DIR": str(folder), "REDLETTER_API_PORT": "0"}
    environment = {"PATH": os.environ["PATH"], **given, **settings}
    command = [sys.executable, str(PROGRAM), "up", *arguments]
    with (folder.parent / "up.log").open("a") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout
    with process:
        try:
            yield Up(process, list(_until_ready(process.stdout)), folder)
        finally:
            process.terminate()


def _until_ready(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line.strip()
        if line == "ready\n":
            return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name the data folder."""
    return tmp_path / "system"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Run one that no test but the last stops."""
    with up(tmp_path_factory.mktemp("shared") / "system") as running:
        yield running


def test_up_prints_its_addresses_and_processes_commands(running: Up) -> None:
    """In this order, and `ready` when it is."""
    names = [line.partition("=")[0] for line in running.lines]
    assert names == ["kafka_bootstrap_servers", "database_url", "api_url", "ready"]
    assert running.send()["code"] == "INVOICE_NOT_FOUND"


def test_up_says_where_the_page_is_and_what_runs(running: Up) -> None:
    api = running.lines[2].partition("=")[2]
    log = running.folder.parent / "up.log"
    assert wait_until(lambda: f"the page is at {api}/" in log.read_text(), seconds=60)
    for role in ROLES:
        assert f"{role:13}  running, process " in log.read_text()


def test_up_that_is_interrupted_before_it_is_ready_says_so_to_scripts(folder: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "REDLETTER_DATA_DIR": str(folder), "REDLETTER_API_PORT": "0"}
    with subprocess.Popen([PROGRAM, "up"], env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any("starting" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=STOP_WITHIN)
    assert process.returncode == 130


def test_a_second_up_on_the_same_folder_is_refused(running: Up) -> None:
    """Two would write to the same files."""
    second = redletter("up", REDLETTER_DATA_DIR=str(running.folder))
    assert (second.returncode, "another `redletter up` runs" in second.stderr) == (1, True)


def test_every_role_that_is_killed_is_at_work_again(running: Up) -> None:
    """As a process of its own with its name in its command line; afterwards a whole return goes through them all."""
    killed = {name: running.role(name) for name in ROLES}
    for name, role in killed.items():
        assert role, name
        role.kill()
    for name, role in killed.items():
        assert wait_until(lambda: running.role(name) not in (None, role), seconds=60), name  # noqa: B023 - called at once
    assert running.send(REGISTER)["status"] == "issued"
    assert running.send(RETURN)["status"] == "return_in_progress"
    assert wait_until(lambda: "Returned" in running.status(), seconds=60)


def test_a_triggered_journey_is_played_and_its_records_can_be_followed(running: Up) -> None:
    """The demo's last journey; `tail` shows what it led to, until Ctrl-C."""
    environment = {"PATH": os.environ["PATH"], "REDLETTER_DATA_DIR": str(running.folder)}
    command = [str(PROGRAM), "tail", "invoice.events", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout
        assert tail.stderr
        assert tail.stderr.readline() == "following invoice.events; Ctrl-C ends\n"
        played = redletter("trigger", "reissue", **environment)
        assert (played.returncode, "is replaced by" in played.stdout) == (0, True), played.stderr
        records = [json.loads(tail.stdout.readline()) for _ in range(7)]
        tail.send_signal(signal.SIGINT)
        assert tail.wait(STOP_WITHIN) == 0
    kinds = [record["headers"]["ce_type"].split(".")[2] for record in records]
    assert (kinds[0], "InvoiceReturned" in kinds, "ReissueRequested" in kinds) == ("InvoiceIssued", True, True)


@pytest.mark.parametrize(
    ("command", "why"),
    [(["tail", "invoice.event"], "the topics of Redletter are"), (["trigger", "return"], "choose from return.simple")],
)
def test_what_cannot_be_followed_or_triggered_is_answered_with_what_can(
    running: Up, command: list[str], why: str
) -> None:
    ended = redletter(*command, REDLETTER_DATA_DIR=str(running.folder))
    assert (ended.returncode, why in ended.stderr) == (2, True)


def test_no_password_is_in_a_command_line_or_a_log(running: Up) -> None:
    """Whoever may list processes, or is sent a log, could connect with it."""
    password = urlsplit(running.lines[1].partition("=")[2]).password
    (own,) = set(re.findall(r'user_\S+="(\w+)"', (running.folder / "kafka" / "server.properties").read_text()))
    assert password
    processes = [psutil.Process(pid).cmdline() for pid in running.pids()]
    assert not any(
        secret in argument for arguments in processes for argument in arguments for secret in (password, own)
    )
    logs = [*running.folder.rglob("*.log"), running.folder.parent / "up.log"]
    assert len(logs) > len(ROLES)
    assert not any(secret.encode() in log.read_bytes() for log in logs for secret in (password, own))


def test_nobody_but_kafka_itself_comes_to_its_controller(running: Up) -> None:
    listeners = (running.folder / "kafka" / "server.properties").read_text()
    for name, answered in (("HERE", True), ("CONTROLLER", False)):
        (port,) = re.findall(rf"^listeners=.*{name}://127\.0\.0\.1:(\d+)", listeners, re.MULTILINE)
        with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as connection:
            connection.sendall(CHANGE_NOTHING)
            answer = b""
            with suppress(ConnectionResetError):  # whoever does not answer may also hang up on what was sent
                answer = connection.recv(1)
            assert bool(answer) == answered, name


def test_up_stops_clean(running: Up) -> None:
    pids = running.pids()
    assert len(pids) > len(ROLES)
    running.process.terminate()
    assert running.process.wait(STOP_WITHIN) == 0
    assert not alive(pids)


def test_without_the_api_no_address_is_printed_where_nobody_listens(folder: Path) -> None:
    """And ``status`` says so. Nobody else may read the servers' files or use a locked Kafka. Roles serve health."""
    left_out = ("--without", "api", "--without", "tax-simulator")
    with up(folder, *left_out, REDLETTER_HEALTH_PORT="0", **LOCKED) as running:
        assert [line.partition("=")[0] for line in running.lines] == [
            "kafka_bootstrap_servers",
            "database_url",
            *(f"{role}_health_url" for role in ("worker", "relay", "projector", "clock")),
            "ready",
        ]
        for line in running.lines[2:-1]:
            url = f"{line.partition('=')[2]}/readyz"
            assert wait_until(lambda: httpx.get(url, timeout=60).status_code == 200, seconds=60), line  # noqa: B023 - called at once
        asked = redletter("status", NUMBER, REDLETTER_DATA_DIR=str(folder))
        assert (asked.returncode, "started without the api" in asked.stderr) == (1, True)
        assert running.send()["code"] == "INVOICE_NOT_FOUND"
        kafka, database = (line.partition("=")[2] for line in running.lines[:2])
        others = {"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": kafka, "REDLETTER_DATABASE_URL": database}
        stranger = redletter("send", "--wait", "1", str(folder / "commands.jsonl"), **others)
        assert (stranger.returncode, stranger.stdout) == (3, "")
        open_to_others = [path for path in (folder / "kafka").rglob("*") if path.lstat().st_mode & 0o077]
        assert open_to_others == []


def test_killed_up_leaves_nothing_and_its_data_survive(folder: Path) -> None:
    """The next one on the folder starts at once, on the same ports, with what was there."""
    with up(folder) as first:
        assert first.send()["replayed"] is False
        pids = first.pids()
        first.process.kill()
        with up(folder) as second:
            assert second.lines[:2] == first.lines[:2]
            assert second.send()["replayed"] is True
        assert wait_until(lambda: not alive(pids), seconds=STOP_WITHIN)
