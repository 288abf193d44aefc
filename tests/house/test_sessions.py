"""Sessions are opened in one place: elsewhere they would not keep the promises of the database URL."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("events", "rules", "transport", "service", "projections", "local", "redletter")
MAKER = "transport/clients/postgres.py"
MAKERS = ("psycopg.connect", "Connection.connect", "ConnectionPool", "PostgresDatastore", "create_engine")
"""Ends of the names of what opens sessions."""
WITH_A_SESSION_OF_OURS = "creator"
"""What makes an engine take its sessions from elsewhere."""


def opened(source: str) -> Iterator[str]:
    """Yield the calls in a module that open sessions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and not any(word.arg == WITH_A_SESSION_OF_OURS for word in node.keywords):
            called = ast.unparse(node.func.value if isinstance(node.func, ast.Subscript) else node.func)
            if called.replace("[TupleRow]", "").replace("[Any]", "").endswith(MAKERS):
                yield called


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_module_opens_sessions(room: str) -> None:
    files = [path for path in sorted((ROOT / room).rglob("*.py")) if str(path.relative_to(ROOT)) != MAKER]
    assert files
    assert {path.name: found for path in files if (found := list(opened(path.read_text())))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "psycopg.connect(url)",
        "await psycopg.AsyncConnection[Any].connect(url)",
        "Connection.connect(url)",
        "AsyncConnectionPool[Connection](url)",
        "PostgresDatastore('', '', '', '', '')",
        "create_engine(url)",
    ],
)
def test_such_a_call_is_noticed(source: str) -> None:
    assert len(list(opened(source))) == 1
