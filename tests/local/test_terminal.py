"""What people read is text and nothing else, and one place writes it."""

import ast
import json
from pathlib import Path

import pytest

from local import terminal
from projections.engine.fingerprint import parse_module
from redletter import invoice_text, message_trace
from redletter.message_trace import TracedMessage

EVIL = "a\x1b]0;owned\x07\x1b[31m\x9b\u202egpj.exe\u2066\u2029b\nc\r\x00\ud800"
"""Titles a window, colours it, reads backwards, and forges further lines."""
OBEYED = frozenset("\x1b\x07\x9b\u202e\u2066\u2029\r\x00\ud800")
WRITERS = {"print", "echo", "secho", "Console", "Table", "Progress", "stdout", "stderr"}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\x07\x9b\x7f", r"\x07\x9b\x7f"),
        ("\u202e\u2066\u200f\u2028", r"\u202e\u2066\u200f\u2028"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\ud800", r"\ud800"),
        ("发票 – é 👩‍💻", "发票 – é 👩‍💻"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, shown: str) -> None:
    assert terminal.plain(text) == shown


def test_a_long_text_is_cut() -> None:
    assert terminal.plain("x" * 600, longest=512) == "x" * 512 + "…"


def test_json_says_the_same_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"remarks": EVIL.replace("\ud800", ""), "buyer": "发票"}
    terminal.print_json(value)
    written = capsys.readouterr().out
    assert json.loads(written) == value
    assert not OBEYED & set(written)
    assert "发票" in written


def test_status_and_history_show_what_a_customer_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    document = {
        "invoice_number": "26312000000000000001",
        "status": {"label": "Issued"},
        "account_id": EVIL,
        "posting_status": "unknown",
        "return_complete": False,
        "original_void": False,
        "actions": ["details"],
        "as_of": "2026-02-13T09:00:00+08:00",
        "version": 1,
    }
    for line in invoice_text.status_lines(document):
        terminal.print_line(line)
    terminal.print_table(("facts",), [(invoice_text.plain_facts({"remarks": EVIL}),)])
    written = capsys.readouterr().out
    assert not OBEYED & set(written)
    assert written.count("owned") == 2


def test_why_has_one_line_for_each_message_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    from datetime import UTC, datetime

    message = TracedMessage("invoice.events", datetime.now(UTC), EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, {"code": EVIL})
    for line in message_trace.trace_lines([message, message]):
        terminal.print_line(line)
    written = capsys.readouterr().out
    assert not OBEYED & set(written)
    assert len(written.splitlines()) == 2


def test_a_terminal_is_written_to_in_one_place() -> None:
    """A module that writes by itself would let text from outside through."""
    found = {
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for room in ("redletter", "local")
        for path in (ROOT / room).rglob("*.py")
        if path not in ALLOWED
        for node in ast.walk(parse_module(path.read_text()))
        if _name(node) in WRITERS
    }
    assert found == set()


ALLOWED = {
    ROOT / "local" / "terminal.py",
    ROOT / "redletter" / "logs.py",  # renders records itself
    ROOT / "local" / "end_with_parent.py",  # writes a process id, on the standard library alone
}


def _name(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
        case ast.Attribute(value=ast.Name(id="sys"), attr=name):
            return name
        case _:
            return None
