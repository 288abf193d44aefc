"""`send`: publish commands one after the other, each after the reply to the one before."""

import asyncio
import json
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from events import cloudevents
from events.catalogue import COMMANDS, named
from events.strict_json import MAX_DEPTH, parse
from events.topics import REPLIES
from local import terminal

SOURCE = "urn:redletter:cli"
REFUSED, NO_REPLY = 1, 3
"""Exit codes. 2 is a line that cannot be read."""
_OPTIONAL = {"id", "source"}
_LARGEST = 4 << 20
"""Bytes; larger than any command, so that it is Redletter that refuses one that is too large."""
_LONGEST_KEY = cloudevents.LONGEST_ATTRIBUTE
PUBLISHED_WITHIN = 30.0
"""Seconds for a command where no reply is waited for."""
_STOP_WITHIN = 0.5
_UNCERTAIN = "it may be decided all the same, and sending it again under the same id is safe; what follows was not sent"


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
        """The invoice number, if there is one that may be a key."""
        number = self.data.get("invoice_number")
        return number if isinstance(number, str) and number.isprintable() and len(number) <= _LONGEST_KEY else None

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the headers it is published with."""
        return cloudevents.headers(
            id=self.id,
            source=self.source,
            name=self.name,
            subject=self.key,
            time=datetime.now(UTC),
            correlation=self.id,
            causation=None,
        )


def read(lines: Iterable[bytes]) -> Iterator[Outgoing]:
    """Read JSON lines in UTF-8; empty ones are left out, and so is a byte order mark. Raises: UnreadableLine."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(BOM_UTF8) if number == 1 else line
        if text.strip():
            try:
                yield _checked(_outgoing(_parsed(text)))
            except ValueError as error:
                msg = f"line {number} cannot be sent: {error}"
                raise UnreadableLine(msg) from None


def _parsed(text: bytes) -> object:
    try:
        return parse(text, MAX_DEPTH + 1)  # the data are one level down
    except ValueError as error:
        msg = f"it {error}".replace(" at line 1 column ", " at column ")
        raise ValueError(msg) from None


def _outgoing(line: object) -> Outgoing:
    match line:
        case {"type": str(told), "data": dict(data), **rest} if rest.keys() <= _OPTIONAL:
            name = named(told)
            name = name if name in COMMANDS else f"{name}.v1"
            if name not in COMMANDS:
                msg = f"{told} is not a command; there are {', '.join(each.partition('.')[0] for each in COMMANDS)}"
                raise ValueError(msg)
            return Outgoing(name, _text(rest, "id") or str(uuid4()), _text(rest, "source") or SOURCE, data)
        case _:
            msg = 'it must be an object like {"type": "RequestReturn", "data": {..}}, with id and source if you like'
            raise ValueError(msg)


def _text(fields: Mapping[str, object], name: str) -> str | None:
    told = fields.get(name)
    if told is None or (isinstance(told, str) and told):
        return told
    msg = f"its {name} must be a string that is not empty"
    raise ValueError(msg)


def _checked(command: Outgoing) -> Outgoing:
    """Refuse what would be published and never answered: the reader of commands has the say."""
    for fault in cloudevents.read(command.headers(), b"{}").faults:
        msg = f"its {fault.field} {fault.message}"
        raise ValueError(msg)
    return command


def send(bootstrap: str, commands: Iterable[Outgoing], wait: float) -> int:
    """Send the commands, print each reply as a JSON line, and return the exit code.

    wait: seconds for each reply, from the first on all that is done for it; 0 does not wait for replies.
    Raises: UnreadableLine from the commands.
    """
    try:
        return asyncio.run(_send(bootstrap, commands, wait))
    except NoReply as error:
        terminal.tell(f"redletter: {error}")
    except KafkaError as error:
        terminal.tell(f"redletter: Kafka at {bootstrap} did not take the command: {error}")
    return NO_REPLY


async def _send(bootstrap: str, commands: Iterable[Outgoing], wait: float) -> int:
    code, within, time = 0, wait or PUBLISHED_WITHIN, asyncio.get_running_loop().time
    began = time()
    async with _clients(bootstrap, began + within, within) as (producer, replies):
        spent = time() - began
        for command in commands:
            async with _bound(
                time() + within - spent, f"no reply to {_name(command)} within {within:g} s; {_UNCERTAIN}"
            ):
                await _publish(producer, command)
                if wait:
                    reply = await _reply(replies, command)
                    terminal.say_json(reply)
                    code = REFUSED if "code" in reply else code
            spent = 0.0
    return code


def _name(command: Outgoing) -> str:
    return f"{command.name.partition('.')[0]} {command.id}"


@asynccontextmanager
async def _bound(deadline: float, otherwise: str) -> AsyncGenerator[None]:
    """Leave a block at a time of the loop's clock. Raises: NoReply, with a sentence."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise NoReply(otherwise) from None


@asynccontextmanager
async def _clients(
    bootstrap: str, deadline: float, within: float
) -> AsyncGenerator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
    """Connect a producer, and a consumer of every reply that comes from now on."""
    servers = cast("Any", bootstrap.split(","))
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, max_request_size=_LARGEST
    )
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed")
    try:
        async with _bound(deadline, f"Kafka at {bootstrap} does not answer within {within:g} s; nothing was sent"):
            await producer.start()
            await consumer.start()
            await _seek_to_end(consumer, producer)
        yield producer, consumer
    finally:
        await _stop(producer.stop(), consumer.stop())


async def _stop(*stops: Coroutine[Any, Any, None]) -> None:
    """Stop the clients. One that waits for a server that does not answer is left behind."""
    tasks = [asyncio.ensure_future(each) for each in stops]
    _, waiting = await asyncio.wait(tasks, timeout=_STOP_WITHIN)
    for task in waiting:
        task.cancel()


async def _seek_to_end(consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
    # Asked of the producer: a consumer knows no partitions of a topic it has not subscribed to a while ago.
    partitions = [TopicPartition(REPLIES, number) for number in await producer.partitions_for(REPLIES)]
    consumer.assign(partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)


async def _publish(producer: AIOKafkaProducer, command: Outgoing) -> None:
    await producer.send_and_wait(
        COMMANDS[command.name].CHANNEL.value,
        value=json.dumps(command.data).encode(),
        key=None if command.key is None else command.key.encode(),
        headers=command.headers(),
    )


async def _reply(replies: AIOKafkaConsumer, command: Outgoing) -> Mapping[str, Any]:
    while True:
        reply = _body(await replies.getone())
        if (reply.get("command_id"), reply.get("command_source")) == (command.id, command.source):
            return reply


def _body(record: ConsumerRecord[Any, bytes]) -> dict[str, Any]:
    """Return what a record says; nothing where it is no object in JSON, which no reply of ours is."""
    try:
        body = json.loads(record.value or b"{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}
