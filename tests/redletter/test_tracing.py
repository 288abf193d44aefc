"""Traces go to a collector over HTTP, and a collector that is away holds up nothing."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import cast

import pytest

from local import ports
from redletter import tracing
from transport import spans
from transport.spans import Step

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
STEP = Step("decide", "RequestReturn", "click-1", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


class Collector(HTTPServer):
    """Keeps what it is sent, by path."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = cast("Collector", self.server).sent
        sent.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own
        """Write nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Serve for the length of a test."""
    monkeypatch.setattr(spans, "_collectors", [])
    with Collector() as collector:
        serving = Thread(target=collector.serve_forever)
        serving.start()
        yield collector
        collector.shutdown()
        serving.join()


def test_the_steps_of_a_role_reach_the_collector_before_it_ends(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{collector.server_port}")
    end = tracing.export_by_otlp("worker")
    spans.record([STEP], 1)
    end()
    ((path, body),) = collector.sent
    assert path == "/v1/traces"
    assert b"redletter-worker" in body and b"decide RequestReturn" in body


def test_a_role_does_not_wait_for_a_collector_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "_collectors", [])
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{ports.free(1)[0]}")
    end = tracing.export_by_otlp("worker")
    spans.record([STEP], 1)
    began = time.monotonic()
    end()
    assert time.monotonic() - began < 30
