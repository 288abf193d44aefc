"""Publish commands one by one, each after the reply to the one before."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from events.catalogue import COMMAND_TYPES
from events.topics import REPLIES_TOPIC
from local import terminal
from redletter.invoice_text import refusal_in_words
from redletter.json_lines import CommandLine
from rules.quantities import counted
from transport.clients import kafka
from transport.clients.kafka import KafkaConsumer, KafkaProducer

REFUSED, NO_REPLY = 1, 3
"""Exit codes. 2 is an unreadable line."""
_MAX_REQUEST_BYTES = 4 << 20
"""Larger than any command, so that it is Redletter that refuses one that is too large."""
_PUBLISH_TIMEOUT_SECONDS = 30.0
"""For a command whose reply is not awaited."""
_STOP_TIMEOUT_SECONDS = 0.5
_UNCERTAIN = (
    "it may still be decided, and it is safe to send it again with the same id; the commands after it were not sent"
)


class NoReply(Exception):
    """The reply to a command did not come in time."""


@dataclass(slots=True)
class _Tally:
    """What became of the commands so far."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0

    def count(self, command: CommandLine, reply: Mapping[str, Any]) -> None:
        """Count a reply, and say where a refused command stands."""
        if "code" in reply:
            self.refused += 1
            terminal.print_to_stderr(f"{command.where}: refused: {refusal_in_words(reply)}")
        else:
            self.accepted += 1

    def summary(self, *, waited: bool) -> str:
        """Return how many there were of each."""
        replied = f"{self.accepted} accepted, {self.refused} refused" if waited else "replies not waited for"
        return f"{self.sent} sent: {replied}"


def send(bootstrap: str, commands: Iterable[CommandLine], wait: float) -> int:
    """Send the commands, print each reply as a JSON line, and return the exit code.

    wait: seconds for each reply; the first includes connecting. 0: do not wait for replies.
    Raises: UnreadableLine from the commands.
    """
    tally = _Tally()
    try:
        return asyncio.run(_send(bootstrap, commands, wait, tally))
    except NoReply as error:
        reason = str(error)
    except KafkaError as error:
        reason = f"Kafka at {bootstrap} did not take the command: {error}"
    terminal.print_to_stderr(f"redletter: {reason}{f' ({tally.summary(waited=True)})' if tally.sent else ''}")
    return NO_REPLY


def show_dry_run(commands: Iterable[CommandLine]) -> None:
    """Print what would be sent where. Raises: UnreadableLine from the commands."""
    seen = 0
    for command in commands:
        seen += 1
        topic = COMMAND_TYPES[command.name].CHANNEL.value
        terminal.print_line(f"line {command.line}: {command.describe()} for {command.key or '-'} to {topic}")
    terminal.print_to_stderr(f"{counted(seen, 'command', 'commands')}; nothing was sent")


async def _send(bootstrap: str, commands: Iterable[CommandLine], wait: float, tally: _Tally) -> int:
    with terminal.counting("sending", commands) as counted:
        await _send_each(bootstrap, counted, wait, tally)
    terminal.print_to_stderr(tally.summary(waited=wait > 0))
    return REFUSED if tally.refused else 0


async def _send_each(bootstrap: str, commands: Iterable[CommandLine], wait: float, tally: _Tally) -> None:
    within, time = wait or _PUBLISH_TIMEOUT_SECONDS, asyncio.get_running_loop().time
    began = time()
    async with _clients(bootstrap, began + within, within) as (producer, replies):
        spent = time() - began
        for command in commands:
            async with _deadline(
                time() + within - spent,
                f"no reply to {command.describe()} of {command.where} within {within:g} s; {_UNCERTAIN}",
            ):
                await _publish(producer, command)
                tally.sent += 1
                if wait:
                    reply = await _reply(replies, command)
                    terminal.print_json(reply)
                    tally.count(command, reply)
            spent = 0.0


@asynccontextmanager
async def _deadline(deadline: float, reason: str) -> AsyncGenerator[None]:
    """Cancel the block at a time of the loop's clock. Raises: NoReply with this reason."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise NoReply(reason) from None


@asynccontextmanager
async def _clients(
    bootstrap: str, deadline: float, within: float
) -> AsyncGenerator[tuple[KafkaProducer, KafkaConsumer]]:
    """Connect a producer, and a consumer of all replies from now on."""
    producer = kafka.make_producer(bootstrap, "send", enable_idempotence=True, max_request_size=_MAX_REQUEST_BYTES)
    consumer = kafka.make_consumer(bootstrap, "send")
    try:
        async with _deadline(deadline, f"Kafka at {bootstrap} does not answer within {within:g} s; nothing was sent"):
            await producer.start()
            await consumer.start()
            # From the producer: a consumer does not know the partitions of a topic that it has not subscribed to yet.
            numbers = await producer.partitions_for(REPLIES_TOPIC)
            await kafka.read_from_now(consumer, [TopicPartition(REPLIES_TOPIC, number) for number in numbers])
        yield producer, consumer
    finally:
        await _stop(kafka.stop(producer), kafka.stop(consumer))


async def _stop(*stops: Coroutine[Any, Any, None]) -> None:
    """Stop the clients. One that waits for a server that does not answer is abandoned."""
    tasks = [asyncio.ensure_future(each) for each in stops]
    _, waiting = await asyncio.wait(tasks, timeout=_STOP_TIMEOUT_SECONDS)
    for task in waiting:
        task.cancel()


async def _publish(producer: KafkaProducer, command: CommandLine) -> None:
    await producer.send_and_wait(
        COMMAND_TYPES[command.name].CHANNEL.value,
        value=command.value,
        key=None if command.key is None else command.key.encode(),
        headers=command.headers(),
    )


async def _reply(replies: KafkaConsumer, command: CommandLine) -> Mapping[str, Any]:
    while True:
        reply = _body(await replies.getone())
        if (reply.get("command_id"), reply.get("command_source")) == (command.id, command.source):
            return reply


def _body(record: ConsumerRecord[Any, bytes]) -> dict[str, Any]:
    """Return a record's JSON object, or an empty one if it holds anything else: then it is not a reply of Redletter."""
    try:
        body = json.loads(record.value or b"{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}
