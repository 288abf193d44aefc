"""Hostile arguments and files on the command line, each with what must happen. No server is asked."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from typer.testing import CliRunner

from redletter.cli.program import app
from tests.redletter.support.lines import RETURN

ESCAPE, BELL, TURNED = "\x1b[2J", "\x07", "\u202e"
NUMBERS = (
    *("../../etc/passwd", "26' or '1'='1", "26312000000000000001;id", "$(id)", "`id`", "%00", "-1", "1e19", "0x26"),
    *(f"26{ESCAPE}", f"26{BELL}", f"26{TURNED}", "2" * 19, "2" * 21, "2" * 100_000, "\u0662" * 20, "26\n26"),
)
LINES = (
    *(b"{", b"[]", b"null", b"7", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"NaN"),
    *(b'{"type": "RequestReturn"}', b'{"type": 1, "data": {}}', b'{"type": "../RequestReturn", "data": {}}'),
    *(b'{"type": "RequestReturn", "data": []}', b'{"type": "InvoiceReturned", "data": {}}'),
    b'{"type": "RequestReturn", "type": "CompleteReturn", "data": {}}',
    *(RETURN.replace(b"r-1", id_) for id_ in (b"a\\u0000", b"\\u001b[2J", b"a\\nb", b"i" * 129)),
    *(RETURN.replace(b'"a"', account) for account in (b'"\\u202e"', b'"\\u001b]0;x\\u0007"', b"7", b"{}")),
    RETURN.replace(b'"data"', b'"topic": "x", "data"'),
    b"__import__('os').system('true')",
    b"!!python/object/apply:os.system ['true']",
)
SECRET = "do-not-tell"  # noqa: S105 - of nothing
SETTINGS = {
    "DATABASE_URL": f"postgresql://u:{SECRET}%ZZ@h/d",
    "KAFKA_PASSWORD": SECRET,
    "OIDC_CLIENT_SECRET": SECRET,
    "API_TOKEN": f"Bearer {SECRET}",
    "KAFKA_TOKEN_URL": f"https://u:{SECRET}@login.example.com",
    "OIDC_ISSUER": f"https://u:{SECRET}@login.example.com",
}


def told(
    *arguments: str, given: bytes = b"", folder: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, str]:
    """Run a command, check that what it prints harms no terminal and is no stack, and return its exit code and that."""
    environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("REDLETTER_")}
    environment |= {"REDLETTER_DATA_DIR": str(folder)} | {
        f"REDLETTER_{name}": value for name, value in settings.items()
    }
    ended = CliRunner().invoke(app, list(arguments), input=given, env=environment)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", ended.output)
    assert len(ended.output) < 20_000
    assert "Traceback" not in ended.output
    return ended.exit_code, ended.output


@pytest.mark.parametrize("command", ["status", "history", "why"])
@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
def test_what_is_no_number_is_refused_before_anything_is_asked(command: str, number: str, tmp_path: Path) -> None:
    code, said = told(command, "--", number, folder=tmp_path)
    assert code in {1, 2}
    assert said.startswith("redletter: ")


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_line_that_is_no_command_is_named(line: bytes, tmp_path: Path) -> None:
    code, said = told("validate", "-", given=line, folder=tmp_path)
    assert code == 1
    assert "line 1" in said


@pytest.mark.parametrize("name", SETTINGS)
def test_no_message_about_a_setting_repeats_a_secret(name: str, tmp_path: Path) -> None:
    code, said = told("status", "26312000000000000001", folder=tmp_path, settings={name: SETTINGS[name]})
    assert code in {1, 2}
    assert SECRET not in said


@pytest.mark.parametrize("file", ["/etc/shadow-there-is-none", "/", "/dev/null\x01", "x" * 5_000])
def test_a_file_that_cannot_be_read_is_named_in_a_sentence(file: str, tmp_path: Path) -> None:
    code, _ = told("validate", "--", file, folder=tmp_path)
    assert code in {1, 2}
