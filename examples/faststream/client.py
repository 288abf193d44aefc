"""Play a scenario: publish commands, follow invoices to their ends, rebuild every status. With FastStream.

make -C ../.. library; pip install 'faststream[kafka]' ../../dist/redletter_events-*.whl
REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python client.py ../scenario.json
"""

import asyncio
import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import redletter_events
from faststream.kafka import KafkaBroker, KafkaMessage
from redletter_events import (
    AnyCommand,
    AnyReply,
    CommandAccepted,
    CommandRefused,
    InvoiceStatus,
    attributes,
    read,
    write,
)

SOURCE = "urn:example:faststream"
broker = KafkaBroker(os.environ["REDLETTER_KAFKA_BOOTSTRAP_SERVERS"], logger=None)
FROM_THE_FIRST = {"auto_offset_reset": "earliest", "isolation_level": "read_committed"}
# A service would keep these in its database, and have a group_id.
awaited: dict[str, asyncio.Future[AnyReply]] = {}
events: defaultdict[str, dict[int, str]] = defaultdict(dict)
statuses: dict[str, InvoiceStatus] = {}
changed = asyncio.Condition()


@broker.subscriber("invoice.replies", **FROM_THE_FIRST)
async def on_reply(message: KafkaMessage) -> None:
    match read(message.raw_message):
        case (CommandAccepted() | CommandRefused()) as reply if reply.command_source == SOURCE:
            if future := awaited.pop(reply.command_id, None):
                future.set_result(reply)
        case _:
            pass  # other publishers' replies


@broker.subscriber("invoice.events", **FROM_THE_FIRST)
async def on_event(message: KafkaMessage) -> None:
    async with changed:
        said = attributes(message.raw_message)
        events[said.subject or ""][said.version or 0] = type(read(message.raw_message)).__name__
        changed.notify_all()


@broker.subscriber("invoice.status", **FROM_THE_FIRST)
async def on_status(message: KafkaMessage) -> None:
    async with changed:
        if isinstance(document := read(message.raw_message), InvoiceStatus):
            statuses[document.invoice_number] = document
            changed.notify_all()


async def replied(command: AnyCommand, id_: str, *, structured: bool) -> AnyReply:
    """Publish a command and return its reply. If none comes, the same id may be sent again: it is done once."""
    record = write(command, id=id_, source=SOURCE, structured=structured)
    awaited[id_] = asyncio.get_running_loop().create_future()
    headers = {name: value.decode() for name, value in record.headers}
    await broker.publish(record.value, record.topic, key=record.key, headers=headers)
    return await awaited[id_]


async def followed(number: str, last: str) -> None:
    """Print an invoice's events up to the last one, and the status that was rebuilt from one compacted topic."""
    async with changed:
        await changed.wait_for(lambda: last in events[number].values())
        for version, name in events[number].items():
            print(number, version, name)
        await changed.wait_for(lambda: number in statuses and statuses[number].version == max(events[number]))
    print(number, "rebuilt:", statuses[number].status.code)


async def main(scenario: dict) -> None:
    async with broker, asyncio.timeout(300):
        await broker.start()
        for step in scenario["commands"]:
            command = getattr(redletter_events, step["type"]).model_validate_json(json.dumps(step["data"]))
            reply = await replied(command, step["id"], structured=step["mode"] == "structured")
            outcome = reply.status if isinstance(reply, CommandAccepted) else reply.code
            print(step["type"], outcome, *["replayed"] * reply.replayed)
        for number, last in scenario["follow"].items():
            await followed(number, last)


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
