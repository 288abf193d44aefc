"""Tests wait with bounds that say when they give up: a busy machine takes many times as long as an idle one."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LEAST = 30
"""Seconds."""
WAITING = {"asyncio.timeout", "asyncio.wait_for", "asyncio.wait", "wait_until", "subprocess.run"}
WAITING_METHODS = (".communicate", ".wait", ".flush", ".result", ".exception")
ASKING = {f"httpx.{name}" for name in ("get", "post", "put", "delete", "request", "stream", "Client", "AsyncClient")}
HTTPX_WAITS = 5
"""Seconds, unless it is told otherwise. With a transport it asks an application in its own process, without a bound."""


def bounds(call: ast.Call) -> list[float]:
    """Return the numbers, in seconds, that a call waits for at the most."""
    name = ast.unparse(call.func)
    if name in ASKING and not {"timeout", "transport"} & {keyword.arg for keyword in call.keywords}:
        return [HTTPX_WAITS]
    if name not in WAITING | ASKING and not name.endswith(WAITING_METHODS):
        return []
    named = [keyword.value for keyword in call.keywords if keyword.arg in {"timeout", "seconds"}]
    numbers = [one.value for one in (*call.args, *named) if isinstance(one, ast.Constant)]
    return [one for one in numbers if isinstance(one, int | float)]


def short_bounds(source: str) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if any(seconds < LEAST for seconds in bounds(call))]


@pytest.mark.parametrize(
    "source",
    [
        "asyncio.timeout(10)",
        "asyncio.wait_for(work(), 5)",
        "process.wait(5)",
        "wait_until(lambda: True, seconds=10)",
        "producer.flush(10)",
        "future.exception(timeout=10)",
        "httpx.get(url)",
        "httpx.AsyncClient(base_url=url, timeout=10)",
    ],
)
def test_a_short_bound_is_found(source: str) -> None:
    assert short_bounds(source) == [source]


def test_no_test_gives_up_early() -> None:
    found = {str(path.relative_to(TESTS)): short_bounds(path.read_text()) for path in TESTS.rglob("*.py")}
    assert {path: calls for path, calls in found.items() if calls} == {}
