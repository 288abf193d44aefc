"""What the plugin for pytest does without a system; with one it is run from docs/integrate/test.md."""

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from redletter.testing import StatusNotReached, SystemNotReady, SystemUnderTest, system_under_test

NUMBER = "26312000000000000001"
STATUSES = {1: "issued", 2: "return_in_progress", 3: "issued"}
"""By the version of the invoice: its return was refused."""


class Api(BaseHTTPRequestHandler):
    """Answers with the oldest status that a query takes."""

    def do_GET(self) -> None:
        (version,) = parse_qs(urlsplit(self.path).query)["min_version"]
        known = int(version) in STATUSES
        self.send_response(200 if known else 409)
        self.end_headers()
        body: dict[str, Any] = {"version": int(version), "status": {"code": STATUSES.get(int(version))}}
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parameter's name
        del format, args


@pytest.fixture
def system(tmp_path: Path) -> Iterator[SystemUnderTest]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        system = SystemUnderTest(tmp_path)
        system.addresses["api_url"] = f"http://127.0.0.1:{server.server_port}"
        yield system
        server.shutdown()


def sent(system: SystemUnderTest, done: CompletedProcess[str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    monkeypatch.setattr(system, "run", lambda *_, **__: done)
    return system.send("RequestReturn", {"invoice_number": NUMBER})


def test_what_an_invoice_was_before_the_last_reply_does_not_count(
    system: SystemUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert system.wait_for(NUMBER, "issued")["version"] == 1
    assert sent(system, CompletedProcess("", 0, '{"invoice_version": 2}'), monkeypatch) == {"invoice_version": 2}
    assert system.wait_for(NUMBER, "issued")["version"] == 3


def test_a_status_that_an_invoice_does_not_reach_is_told_with_the_one_it_has(system: SystemUnderTest) -> None:
    with pytest.raises(StatusNotReached, match=f"{NUMBER} did not become returned within 1 s; .*issued"):
        system.wait_for(NUMBER, "returned", within=1)


@pytest.mark.parametrize(("code", "error"), [(3, TimeoutError), (2, ValueError)])
def test_a_command_without_a_reply_is_an_error_with_the_reason(
    system: SystemUnderTest, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match="why"):
        sent(system, CompletedProcess("", code, "", "why\n"), monkeypatch)


def test_a_system_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(SystemNotReady, match="TOPIC_PARTITIONS"),
        system_under_test(tmp_path, {"REDLETTER_TOPIC_PARTITIONS": "0"}),
    ):
        pass
