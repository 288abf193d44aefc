"""`send` reads lines and picks topics; with a stand-in for the worker, its exit codes."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from events.topics import REPLIES, Channel
from redletter.sending import NO_REPLY, REFUSED, SOURCE, UnreadableLine, read, send
from transport.addresses import Addresses

NUMBER = "26312000000000000001"
RETURN = json.dumps({"type": "RequestReturn", "id": "r-1", "data": {"invoice_number": NUMBER, "account_id": "a"}})
AMEND = json.dumps({"type": "AmendInvoice", "id": "a-1", "data": {"invoice_number": NUMBER, "account_id": "a"}})


def test_a_line_without_id_and_source_is_given_both() -> None:
    """Both are optional."""
    (command,) = read(['{"type": "CancelReturn", "data": {"invoice_number": "1"}}'])
    assert len(command.id) == len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
    assert (command.name, command.source, command.key) == ("CancelReturn.v1", SOURCE, "1")


def test_the_type_may_be_given_in_full() -> None:
    """As it stands in a record's header."""
    (command,) = read(['{"type": "redletter.invoice.CancelReturn.v1", "data": {}}'])
    assert (command.name, command.key) == ("CancelReturn.v1", None)


def test_empty_lines_are_left_out() -> None:
    """A file often ends with one."""
    assert list(read(["", "  \n"])) == []


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
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_command_is_named_by_its_number(line: str) -> None:
    """So that it can be found in a long file."""
    with pytest.raises(UnreadableLine, match=r"^line 2 cannot be sent: "):
        list(read([RETURN, line]))


@contextmanager
def _replying(addresses: Addresses, code: str | None) -> Iterator[None]:
    """Answer each command of the customer's topic: accepted, or refused with a code."""
    started, ended = threading.Event(), threading.Event()
    replier = threading.Thread(target=lambda: asyncio.run(_reply_until(addresses.kafka, code, started, ended)), daemon=True)
    replier.start()
    try:
        assert started.wait(30)
        yield
    finally:
        ended.set()
        replier.join(30)


async def _reply_until(bootstrap: str, code: str | None, started: threading.Event, ended: threading.Event) -> None:
    consumer = AIOKafkaConsumer(Channel.CUSTOMER.value, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await consumer.start()
    await producer.start()
    started.set()
    while not ended.is_set():
        for records in (await consumer.getmany(timeout_ms=50)).values():
            for record in records:
                headers = dict(record.headers)
                reply = {"command_id": headers["ce_id"].decode(), "command_source": headers["ce_source"].decode()}
                told = reply | ({"code": code} if code else {"status": "issued"})
                await producer.send_and_wait(REPLIES, json.dumps(told).encode(), key=record.key)
    await consumer.stop()
    await producer.stop()


@pytest.mark.integration
def test_accepted_commands_end_with_0_and_their_replies(
    addresses: Addresses, capsys: pytest.CaptureFixture[str]
) -> None:
    """One reply a line, in the order of the commands."""
    with _replying(addresses, None):
        assert send(addresses.kafka, read([RETURN, AMEND]), wait=30) == 0
    assert [json.loads(line)["command_id"] for line in capsys.readouterr().out.splitlines()] == ["r-1", "a-1"]


@pytest.mark.integration
def test_a_refusal_ends_with_1_and_does_not_stop_the_rest(
    addresses: Addresses, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command after it is still sent and answered."""
    with _replying(addresses, "RETURN_ALREADY_IN_PROGRESS"):
        assert send(addresses.kafka, read([RETURN, AMEND]), wait=30) == REFUSED
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.integration
def test_a_reply_that_does_not_come_ends_with_3(addresses: Addresses, capsys: pytest.CaptureFixture[str]) -> None:
    """What follows must not overtake it, and is not sent."""
    assert send(addresses.kafka, read([RETURN, AMEND]), wait=0.2) == NO_REPLY
    assert "no reply to RequestReturn r-1" in capsys.readouterr().err


@pytest.mark.integration
def test_without_waiting_nothing_is_printed(addresses: Addresses, capsys: pytest.CaptureFixture[str]) -> None:
    """0 seconds means: do not wait."""
    assert send(addresses.kafka, read([RETURN, AMEND]), wait=0) == 0
    assert not capsys.readouterr().out
