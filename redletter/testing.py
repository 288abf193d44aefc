"""A plugin for pytest: the fixture `redletter` runs the whole system, for the tests of services that use it.

It needs the extra `redletter[embedded]`, and imports nothing of Redletter, so that what is tested may have any names.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

StatusToReach = Literal["issued", "return_in_progress", "reversed_with_credit_note", "returned"]
_LONGEST_WAIT_SECONDS = 30
"""For which a query waits."""
_STOP_TIMEOUT_SECONDS = 60
_NO_REPLY = 3
"""The exit code of `redletter send`."""


class SystemNotReady(Exception):
    """The system has ended before it was ready; the message has the end of its log."""


class StatusNotReached(Exception):
    """An invoice did not come to a status in time; the message has the status document that it came to."""


@dataclass
class SystemUnderTest:
    """A system of one's own: Kafka, PostgreSQL, every role, and a tax system that plays along.

    folder: keeps all its files. settings: environment variables, such as REDLETTER_TAX_REPEAT_SECONDS. addresses: what
    `redletter up` prints.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    addresses: dict[str, str] = field(default_factory=dict[str, str], init=False)
    _versions: dict[str, int] = field(default_factory=dict[str, int], init=False)
    _shifted: timedelta = field(default=timedelta(), init=False)
    _up: "subprocess.Popen[str] | None" = field(default=None, init=False)

    @property
    def kafka(self) -> str:
        """The address of Kafka, for `bootstrap_servers`."""
        return self.addresses["kafka_bootstrap_servers"]

    @property
    def database(self) -> str:
        """The URL of PostgreSQL."""
        return self.addresses["database_url"]

    @property
    def api(self) -> str:
        """The URL of the api, without a slash at its end."""
        return self.addresses["api_url"]

    def send(self, name: str, data: Mapping[str, Any], **envelope: str) -> dict[str, Any]:
        """Send a command and return its reply, which may be a refusal with a `code`.

        name: such as ``RequestReturn``. data: its body. envelope: `id` and `source`, if they matter.
        Raises: TimeoutError when no reply comes within 30 s, ValueError for what cannot be sent.
        """
        line = json.dumps({"type": name, "data": data, **envelope})
        done = self.run("send", "-", stdin=line)
        if not done.stdout:
            raise (TimeoutError if done.returncode == _NO_REPLY else ValueError)(done.stderr.strip())
        reply = json.loads(done.stdout)
        self._versions[data["invoice_number"]] = reply.get("invoice_version", 1)
        return reply

    def wait_for(self, number: str, status: StatusToReach, within: float = 60) -> dict[str, Any]:
        """Wait until an invoice has a status, and return its status document.

        What the invoice was before the last reply to a command sent here does not count. within: seconds without any
        change of the invoice. Raises: StatusNotReached.
        """
        version, document = self._versions.get(number, 1), None
        while newer := self._status_from(number, version, within):
            document, version = newer, newer["version"] + 1
            if document["status"]["code"] == status:
                return document
        msg = f"{number} did not become {status} within {within:g} s; it is {json.dumps(document)}"
        raise StatusNotReached(msg)

    def _status_from(self, number: str, version: int, within: float) -> dict[str, Any] | None:
        """Return the status document once it has reached a version; None if it does not in time."""
        while within > 0:
            wait = min(within, _LONGEST_WAIT_SECONDS)
            within -= wait
            try:
                query = f"min_version={version}&wait={wait:g}"
                with urlopen(f"{self.api}/invoices/{number}/status?{query}") as answer:  # noqa: S310 - our own api
                    return json.load(answer)
            except HTTPError as problem:
                if problem.code != HTTPStatus.CONFLICT:  # not reached within that wait
                    raise
        return None

    def shift(self, by: timedelta) -> None:
        """Let the system live so much later: it is started again with its clock moved, and may have other addresses."""
        self._shifted += by
        self.stop()
        self.start()

    def run(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command of the command line on this system, such as ``run("why", number)``."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "redletter", *arguments],
            env=self._environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self) -> None:
        """Start everything, and return when commands are being processed. Raises: SystemNotReady."""
        log = self.folder / "up.log"
        with log.open("a") as errors:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "redletter", "up"],
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        for line in self._up.stdout or ():
            if line.strip() == "ready":
                return
            name, _, address = line.strip().partition("=")
            self.addresses[name] = address
        msg = f"redletter up ended with {self._up.wait()}; the end of {log}:\n{log.read_text()[-2000:]}"
        raise SystemNotReady(msg)

    def stop(self) -> None:
        """Stop everything; what was kept is kept."""
        if self._up is not None:
            self._up.terminate()
            self._up.wait(_STOP_TIMEOUT_SECONDS)
            self._up = None

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("REDLETTER_")},
            "REDLETTER_DATA_DIR": str(self.folder),
            "REDLETTER_API_PORT": "0",
            "REDLETTER_TAX_REPEAT_SECONDS": "1",
            "REDLETTER_CLOCK_SHIFT": f"PT{self._shifted.total_seconds():.0f}S",
            **self.settings,
        }


@contextmanager
def system_under_test(folder: Path, settings: Mapping[str, str] | None = None) -> Generator[SystemUnderTest]:
    """Run a system in a folder for as long as the block lasts."""
    system = SystemUnderTest(folder, settings or {})
    try:
        system.start()
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="session")
def redletter(tmp_path_factory: pytest.TempPathFactory) -> Generator[SystemUnderTest]:
    """Run a system for all tests of the session."""
    with system_under_test(tmp_path_factory.mktemp("redletter")) as system:
        yield system
