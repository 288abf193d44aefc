"""`send` reads lines and picks topics; with a stand-in for the worker, its exit codes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from events.topics import REPLIES_TOPIC, Channel
from redletter.command_sender import NO_REPLY, REFUSED, send
from redletter.json_lines import read_command_lines as read
from tests.redletter.support.lines import AMEND, RETURN
from transport.addresses import Addresses


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
        body = reply | ({"code": code} if code else {"status": "issued"})
        await producer.send_and_wait(REPLIES_TOPIC, json.dumps(body).encode(), key=record.key)


async def _sent(addresses: Addresses, wait: float) -> int:
    """Send both commands, as the program does: on a thread with a loop of its own."""
    return await asyncio.to_thread(send, addresses.kafka, read([RETURN, AMEND]), wait)


async def test_accepted_commands_end_with_0_and_their_replies(
    addresses: Addresses, capsys: pytest.CaptureFixture[str]
) -> None:
    """One reply a line, in the order of the commands."""
    async with _replying(addresses, None):
        assert await _sent(addresses, wait=30) == 0
    assert [json.loads(line)["command_id"] for line in capsys.readouterr().out.splitlines()] == ["r-1", "a-1"]


async def test_a_refusal_ends_with_1_and_does_not_stop_the_rest(
    addresses: Addresses, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command after it is still sent and answered."""
    async with _replying(addresses, "RETURN_ALREADY_IN_PROGRESS"):
        assert await _sent(addresses, wait=30) == REFUSED
    assert len(capsys.readouterr().out.splitlines()) == len([RETURN, AMEND])


async def test_a_reply_that_does_not_come_ends_with_3(addresses: Addresses, capsys: pytest.CaptureFixture[str]) -> None:
    """What follows must not overtake it, and is not sent."""
    assert await _sent(addresses, wait=3) == NO_REPLY
    assert "no reply to RequestReturn r-1" in capsys.readouterr().err


async def test_without_waiting_nothing_is_printed(addresses: Addresses, capsys: pytest.CaptureFixture[str]) -> None:
    """0 seconds means: do not wait."""
    assert await _sent(addresses, wait=0) == 0
    assert not capsys.readouterr().out
