"""`send`: publish commands one after the other, each after the reply to the one before (product.md, section 8)."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from events import cloudevents
from events.catalogue import COMMANDS, named
from events.topics import REPLIES
from local import terminal

SOURCE = "urn:redletter:cli"
REFUSED, NO_REPLY = 1, 3
"""Exit codes. 2 is a line that cannot be read."""
_OPTIONAL = {"id", "source"}
_LARGEST = 4 << 20
"""Bytes; larger than any command, so that it is Redletter that refuses one that is too large."""


class UnreadableLine(Exception):
    """A line is no command that could be sent."""


class NoReply(Exception):
    """A command's reply did not come in time."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A command on its way: its stored name, such as ``RequestReturn.v1``, and its body as JSON."""

    name: str
    id: str
    source: str
    data: Mapping[str, Any]

    @property
    def key(self) -> str | None:
        """The invoice number, if there is one to be read."""
        number = self.data.get("invoice_number")
        return number if isinstance(number, str) and number.isprintable() else None


def read(lines: Iterable[str]) -> Iterator[Outgoing]:
    """Read JSON lines; empty ones are left out. Raises: UnreadableLine."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _outgoing(json.loads(line, parse_constant=_refuse))
            except (ValueError, RecursionError) as error:
                msg = f"line {number} cannot be sent: {error}"
                raise UnreadableLine(msg) from None


def _refuse(word: str) -> None:
    msg = f"{word} is not JSON"
    raise ValueError(msg)


def _outgoing(line: object) -> Outgoing:
    match line:
        case {"type": str(told), "data": dict(data), **rest} if rest.keys() <= _OPTIONAL:
            name = named(told)
            name = name if name in COMMANDS else f"{name}.v1"
            if name not in COMMANDS:
                msg = f"{told} is not a command; there are {', '.join(each.partition('.')[0] for each in COMMANDS)}"
                raise ValueError(msg)
            return Outgoing(name, _text(rest, "id", str(uuid4())), _text(rest, "source", SOURCE), data)
        case _:
            msg = 'it must be an object like {"type": "RequestReturn", "data": {..}}, with id and source if you like'
            raise ValueError(msg)


def _text(fields: Mapping[str, object], name: str, default: str) -> str:
    told = fields.get(name)
    if told is None:
        return default
    if not isinstance(told, str) or not 0 < len(told) <= cloudevents.LONGEST_ID or not told.isprintable():
        msg = f"its {name} must be a string of 1 to {cloudevents.LONGEST_ID} printable characters"
        raise ValueError(msg)
    return told


def send(bootstrap: str, commands: Iterable[Outgoing], wait: float) -> int:
    """Send the commands, print each reply as a JSON line, and return the exit code.

    wait: seconds for each reply; 0 does not wait. Raises: UnreadableLine from the commands.
    """
    try:
        return asyncio.run(_send(bootstrap, commands, wait))
    except NoReply as error:
        terminal.tell(str(error))
    except KafkaError as error:
        terminal.tell(f"Kafka at {bootstrap} did not take the command: {error}")
    return NO_REPLY


async def _send(bootstrap: str, commands: Iterable[Outgoing], wait: float) -> int:
    code = 0
    async with _producer(bootstrap) as producer, _replies(bootstrap, producer) as replies:
        for command in commands:
            await _publish(producer, command)
            if wait:
                reply = await _reply(replies, command, wait)
                terminal.say_json(reply)
                code = REFUSED if "code" in reply else code
    return code


@asynccontextmanager
async def _producer(bootstrap: str) -> AsyncGenerator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=cast("Any", bootstrap.split(",")),
        acks="all",
        enable_idempotence=True,
        max_request_size=_LARGEST,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _replies(bootstrap: str, producer: AIOKafkaProducer) -> AsyncGenerator[AIOKafkaConsumer]:
    """Read every reply that comes from now on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=cast("Any", bootstrap.split(",")), isolation_level="read_committed")
    try:
        await consumer.start()
        # Asked of the producer: a consumer knows no partitions of a topic it has not subscribed to a while ago.
        partitions = [TopicPartition(REPLIES, number) for number in await producer.partitions_for(REPLIES)]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)
        yield consumer
    finally:
        await consumer.stop()


async def _publish(producer: AIOKafkaProducer, command: Outgoing) -> None:
    headers = cloudevents.headers(
        id=command.id,
        source=command.source,
        name=command.name,
        subject=command.key,
        time=datetime.now(UTC),
        correlation=command.id,
        causation=None,
    )
    await producer.send_and_wait(
        COMMANDS[command.name].CHANNEL.value,
        value=json.dumps(command.data).encode(),
        key=None if command.key is None else command.key.encode(),
        headers=headers,
    )


async def _reply(replies: AIOKafkaConsumer, command: Outgoing, wait: float) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(wait):
            async for record in replies:
                reply = cast("dict[str, Any]", json.loads(record.value or b"{}"))
                if (reply.get("command_id"), reply.get("command_source")) == (command.id, command.source):
                    return reply
    except TimeoutError:
        pass
    msg = f"no reply to {command.name.partition('.')[0]} {command.id} within {wait:g} s; what follows it was not sent"
    raise NoReply(msg)
