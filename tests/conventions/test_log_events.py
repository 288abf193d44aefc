"""A log event is a stable key with facts as fields, so that a log can be searched and alerts survive a new wording."""

import ast
import re
from collections.abc import Iterator

import pytest

from projections.engine.fingerprint import parse_module
from tests.conventions.support.tree import ROOT

ROOMS = ("events", "rules", "service", "projections", "web", "transport", "local", "tax_simulator", "redletter")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+|[a-z]+")
PASSED_ON = {
    "service/worker/batch_logging.py",  # an incident has its key
}


@pytest.mark.parametrize("room", ROOMS)
def test_every_log_event_is_a_key(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for line in sentences(path.read_text(), passed_on=str(path.relative_to(ROOT)) in PASSED_ON)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "is_key"),
    [
        ('log.info("relay_resumed", partition=3)', True),
        ('log.warning("the relay goes on")', False),
        ('log.error(f"relay_{name}")', False),
        ("log.error(sentence)", False),
    ],
)
def test_a_sentence_is_noticed(source: str, is_key: bool) -> None:
    assert (list(sentences(source, passed_on=False)) == []) is is_key


def sentences(source: str, *, passed_on: bool) -> Iterator[int]:
    """Yield the lines of log calls whose event is not a key. passed_on: events may come from elsewhere."""
    for node in ast.walk(parse_module(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("log"), attr=level), args=[event, *_]) if level in LEVELS:
                is_key = isinstance(event, ast.Constant) and KEY.fullmatch(str(event.value)) is not None
                if not is_key and not (passed_on and not isinstance(event, ast.Constant)):
                    yield node.lineno
            case _:
                pass
