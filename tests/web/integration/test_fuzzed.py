"""The api keeps to its own description whatever it is asked, and its examples are true."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local import ports
from tests.projections.support import facts
from transport.addresses import Addresses
from web.http.problems import MEDIA_TYPE, ProblemDocument

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 40
"""Requests to each operation."""


ENDLESS = "/stream"
SERVING = """
import asyncio, sys
from datetime import timedelta
from web import serving
from web.gateway import command_publisher
from transport.addresses import Addresses
command_publisher.REPLY_WITHIN = 0.2  # no worker runs: commands are answered with 202
kafka, database, port = sys.argv[1:4]
settings = {"clock_shift": timedelta(), "general_recorded_route": "simple"}
asyncio.run(serving.run(Addresses(kafka, database), host="127.0.0.1", port=int(port), **settings))
"""


@pytest.fixture
def url(addresses: Addresses, tmp_path: Path) -> Iterator[str]:
    """Serve an api on real servers, in a process of its own: it would disturb the drawing of examples."""
    (port,) = ports.free(1)
    with (tmp_path / "api.log").open("wb") as log:
        serving = subprocess.Popen(
            [sys.executable, "-c", SERVING, addresses.kafka, addresses.database, str(port)], stdout=log, stderr=log
        )
    yield f"http://127.0.0.1:{port}"
    serving.terminate()
    serving.wait(30)


def test_whatever_is_asked_the_api_answers_as_it_says(url: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as http:
        schema = schemathesis.openapi.from_dict(http.get(f"{url}/openapi.json").json())
    asked: Counter[str] = Counter()
    for result in schema.get_all_operations():
        operation = cast("Any", result).ok()
        if operation.path == ENDLESS:
            continue

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            suppress_health_check=cast("Any", list(HealthCheck)),
            database=None,
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            asked[case.operation.label] += 1
            case.validate_response(case.call(base_url=url), checks=CHECKS)

        ask()
    assert asked["GET /invoices"] >= EXAMPLES // 2
    assert len(asked) >= 14


def test_nul_empty_and_repeated_parameters_are_the_callers_fault_on_every_operation(url: str) -> None:
    asked: Counter[str] = Counter()
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=8), timeout=60) as http:
        for path, operations in http.get("/openapi.json").json()["paths"].items():
            for method, operation in operations.items():
                parameters = operation.get("parameters", [])
                place = re.sub(r"{\w+}", facts.NUMBER, path)
                for name in (one["name"] for one in parameters if one["in"] == "query"):
                    asked["query"] += 1
                    assert _fault(http.request(method, f"{place}?{name}=1&{name}=1")) == (422, "MALFORMED_QUERY")
                    assert _fault(http.request(method, f"{place}?{name}=%00")) == (422, "MALFORMED_QUERY")
                    assert _fault(http.request(method, f"{place}?{name}%00=1")) == (422, "MALFORMED_QUERY")
                    if path != ENDLESS:
                        assert http.request(method, f"{place}?{name}=").status_code in {200, 404}, f"{place}?{name}="
                for name in (one["name"] for one in parameters if one["in"] == "path"):
                    asked["path"] += 1
                    status, _ = _fault(http.request(method, path.replace(f"{{{name}}}", "%00"), json={}))
                    assert status in {404, 422}, (path, name)
    assert asked["query"] >= 20
    assert asked["path"] >= 6


def _fault(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the code of a problem document."""
    assert answer.headers["content-type"] == MEDIA_TYPE, answer.request.url
    return answer.status_code, ProblemDocument.model_validate_json(answer.content).code
