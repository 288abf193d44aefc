"""`send` reads lines and picks topics; with a stand-in for the worker, its exit codes."""

# pyright: reportPrivateUsage=false

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from events.topics import REPLIES_TOPIC, Channel
from local import ports
from redletter.cli.invoices import _lines
from redletter.command_lines import CLI_SOURCE, UnreadableLine
from redletter.command_lines import read_command_lines as read
from redletter.command_sender import NO_REPLY, REFUSED, send
from transport.addresses import Addresses

RETURN = (
    b'{"type": "RequestReturn", "id": "r-1", "data": {"invoice_number": "26312000000000000001", "account_id": "a"}}'
)
AMEND = RETURN.replace(b"RequestReturn", b"AmendInvoice").replace(b"r-1", b"a-1")


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
def test_a_line_that_is_no_command_is_named_by_its_number(line: str) -> None:
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


@asynccontextmanager
async def _replying(addresses: Addresses, code: str | None) -> AsyncGenerator[None]:
    """Answer each command of the customer's topic: accepted, or refused with a code."""
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka) as producer:
        consumer = AIOKafkaConsumer(
            Channel.CUSTOMER.value, bootstrap_servers=addresses.kafka, auto_offset_reset="earliest"
        )
        async with consumer:
            replying = asyncio.create_task(_reply(consumer, producer, code))
            yield
            replying.cancel()


async def _reply(consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, code: str | None) -> None:
    async for record in consumer:
        headers = dict(record.headers)
        reply = {"command_id": headers["ce_id"].decode(), "command_source": headers["ce_source"].decode()}
        told = reply | ({"code": code} if code else {"status": "issued"})
        await producer.send_and_wait(REPLIES_TOPIC, json.dumps(told).encode(), key=record.key)


async def _sent(addresses: Addresses, wait: float) -> int:
    """Send both commands, as the program does: on a thread with a loop of its own."""
    return await asyncio.to_thread(send, addresses.kafka, read([RETURN, AMEND]), wait)


@pytest.mark.integration
async def test_accepted_commands_end_with_0_and_their_replies(
    addresses: Addresses, capsys: pytest.CaptureFixture[str]
) -> None:
    """One reply a line, in the order of the commands."""
    async with _replying(addresses, None):
        assert await _sent(addresses, wait=30) == 0
    assert [json.loads(line)["command_id"] for line in capsys.readouterr().out.splitlines()] == ["r-1", "a-1"]


@pytest.mark.integration
async def test_a_refusal_ends_with_1_and_does_not_stop_the_rest(
    addresses: Addresses, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command after it is still sent and answered."""
    async with _replying(addresses, "RETURN_ALREADY_IN_PROGRESS"):
        assert await _sent(addresses, wait=30) == REFUSED
    assert len(capsys.readouterr().out.splitlines()) == len([RETURN, AMEND])


@pytest.mark.integration
async def test_a_reply_that_does_not_come_ends_with_3(addresses: Addresses, capsys: pytest.CaptureFixture[str]) -> None:
    """What follows must not overtake it, and is not sent."""
    assert await _sent(addresses, wait=3) == NO_REPLY
    assert "no reply to RequestReturn r-1" in capsys.readouterr().err


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_wished(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that takes connections and is frozen."""
    with socket.create_server((ports.HOST, 0)) as silent:
        began = time.monotonic()
        assert await asyncio.to_thread(send, f"{ports.HOST}:{silent.getsockname()[1]}", read([RETURN]), 1) == NO_REPLY
    assert time.monotonic() - began < 3
    assert "does not answer within 1 s; nothing was sent" in capsys.readouterr().err


@pytest.mark.integration
async def test_without_waiting_nothing_is_printed(addresses: Addresses, capsys: pytest.CaptureFixture[str]) -> None:
    """0 seconds means: do not wait."""
    assert await _sent(addresses, wait=0) == 0
    assert not capsys.readouterr().out
