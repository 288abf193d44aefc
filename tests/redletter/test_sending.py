"""`send` reads lines and picks topics; with a stand-in for the worker, its exit codes."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from local import ports
from redletter.cli.invoices import _lines  # pyright: ignore[reportPrivateUsage] - how standard input is read
from redletter.command_sender import NO_REPLY, send
from redletter.json_lines import CLI_SOURCE, UnreadableLine
from redletter.json_lines import read_command_lines as read
from tests.redletter.support.lines import AMEND, RETURN


def test_a_line_without_id_and_source_is_given_both() -> None:
    """Both are optional."""
    (command,) = read([b'{"type": "CancelReturn", "data": {"invoice_number": "1"}}'])
    assert len(command.id) == len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
    assert (command.name, command.source, command.key) == ("CancelReturn.v1", CLI_SOURCE, "1")


def test_the_type_may_be_given_in_full() -> None:
    """As it stands in a record's header."""
    (command,) = read([b'{"type": "redletter.invoice.CancelReturn.v1", "data": {}}'])
    assert (command.name, command.key) == ("CancelReturn.v1", None)


def test_empty_lines_are_left_out() -> None:
    """A file often ends with one."""
    assert list(read([b"", b"  \n"])) == []


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"type": "RequestReturn"}',
        '{"type": "RequestReturn", "data": []}',
        '{"type": "InvoiceIssued", "data": {}}',
        '{"type": "RequestReturn", "data": {}, "topic": "invoice.events"}',
        '{"type": "RequestReturn", "data": {}, "id": ""}',
        '{"type": "RequestReturn", "data": {}, "id": 7}',
        '{"type": "RequestReturn", "data": {"a": NaN}}',
        '{"type": "RequestReturn", "data": {"a": 1, "a": 2}}',
        '{"type": "RequestReturn", "data": {}, "source": "urn:a b"}',
        '{"type": "RequestReturn", "data": {}, "source": "urn:发票"}',
        '{"type": "RequestReturn", "data": {}, "source": "urn:%s"}' % ("x" * 300),
        '{"type": "RequestReturn", "data": {}, "id": "a\\u0007"}',
        '{"type": "RequestReturn", "data": {}, "id": "%s"}' % ("x" * 129),
        "[" * 100_000,
    ],
)
def test_a_line_that_is_not_a_command_is_named_by_its_number(line: str) -> None:
    """So that it can be found in a long file."""
    with pytest.raises(UnreadableLine, match=r"^line 2 cannot be sent: "):
        list(read([RETURN, line.encode()]))


def test_what_the_reader_of_commands_takes_is_sent() -> None:
    """It has the say, not `send`."""
    (command,) = read([b'{"type": "CancelReturn", "data": {}, "id": "\xe5\x8f\x91 1", "source": "/a?b=%20"}'])
    assert (command.id, command.source) == ("\u53d1 1", "/a?b=%20")


def test_a_byte_order_mark_is_left_out() -> None:
    """As editors on Windows write it; anywhere but at the beginning it is a fault."""
    assert len(list(read([b"\xef\xbb\xbf" + RETURN, AMEND]))) == 2
    with pytest.raises(UnreadableLine, match="line 2"):
        list(read([RETURN, b"\xef\xbb\xbf" + AMEND]))


def test_a_line_separator_in_a_text_ends_no_line(tmp_path: Path) -> None:
    """Only a newline does."""
    file = tmp_path / "commands.jsonl"
    file.write_text('{"type": "CancelReturn", "data": {"account_id": "a\u2028b"}}\r\n', newline="")
    (command,) = read(_lines(str(file)))
    assert command.data == {"account_id": "a\u2028b"}


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_wished(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that takes connections and is frozen."""
    with socket.create_server((ports.HOST, 0)) as silent:
        began = time.monotonic()
        assert await asyncio.to_thread(send, f"{ports.HOST}:{silent.getsockname()[1]}", read([RETURN]), 1) == NO_REPLY
    assert time.monotonic() - began < 30
    assert "does not answer within 1 s; nothing was sent" in capsys.readouterr().err
