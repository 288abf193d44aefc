"""Clients of Kafka and PostgreSQL are made in one place: elsewhere they would not keep the promises of its address.

The linter bans the libraries' names; this also finds a call through an alias or a subscript.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.engine.fingerprint import parse_module

ROOT = Path(__file__).parents[2]
ROOMS = ("events", "rules", "transport", "service", "projections", "web", "local", "tax_simulator", "redletter")
MAKER = Path("transport/clients")
MAKERS = (
    "psycopg.connect",
    "Connection.connect",
    "Pool",
    "PostgresDatastore",
    "create_engine",
    "KafkaConsumer",
    "SteppingConsumer",
    "KafkaProducer",
    "KafkaAdmin",
    "KafkaAdminClient",
    "KafkaClient",
    "KafkaBroker",
)
"""Ends of the names of what makes a client."""
WITH_A_SESSION_OF_OURS = "creator"
"""What makes an engine take its sessions from elsewhere."""


def made(source: str) -> Iterator[str]:
    """Yield the calls in a module that make clients."""
    for node in ast.walk(parse_module(source)):
        if isinstance(node, ast.Call) and not any(word.arg == WITH_A_SESSION_OF_OURS for word in node.keywords):
            called = ast.unparse(node.func.value if isinstance(node.func, ast.Subscript) else node.func)
            if called.replace("[TupleRow]", "").replace("[Any]", "").endswith(MAKERS):
                yield called


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_module_makes_clients(room: str) -> None:
    files = [path for path in sorted((ROOT / room).rglob("*.py")) if not path.relative_to(ROOT).is_relative_to(MAKER)]
    assert files
    assert {path.name: found for path in files if (found := list(made(path.read_text())))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "psycopg.connect(url)",
        "await psycopg.AsyncConnection[Any].connect(url)",
        "Connection.connect(url)",
        "AsyncConnectionPool[Connection](url)",
        "PostgresDatastore('', '', '', '', '')",
        "create_engine(url)",
        "AIOKafkaProducer(bootstrap_servers=bootstrap)",
        "kafka.KafkaConsumer(topic)",
    ],
)
def test_such_a_call_is_noticed(source: str) -> None:
    assert len(list(made(source))) == 1
