"""Register an invoice, return it, follow it to its end, and rebuild every status: with FastStream.

pip install 'faststream[kafka]' redletter-events
REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python client.py 26312000000000000001
"""

import asyncio
import os
import sys
from datetime import date
from decimal import Decimal

from faststream.kafka import KafkaBroker, KafkaMessage
from redletter_events import (
    AnyCommand,
    AnyReply,
    Buyer,
    Charge,
    CommandAccepted,
    CommandRefused,
    InvoiceReturned,
    InvoiceStatus,
    RegisterInvoice,
    RequestReturn,
    Seller,
    attributes,
    read,
    write,
)

NUMBER, SOURCE = sys.argv[1], "urn:example:faststream"
broker = KafkaBroker(os.environ["REDLETTER_KAFKA_BOOTSTRAP_SERVERS"], logger=None)
FROM_THE_FIRST = {"auto_offset_reset": "earliest", "isolation_level": "read_committed"}
# A service would keep these in its database, and have a group_id.
awaited: dict[str, asyncio.Future[AnyReply]] = {}
events: list[str] = []
statuses: dict[str, str] = {}
at_its_end, rebuilt = asyncio.Event(), asyncio.Event()


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
    said, event = attributes(message.raw_message), read(message.raw_message)
    if said.subject == NUMBER:
        events.append(f"{said.version} {type(event).__name__}")
    match event:
        case InvoiceReturned(invoice_number=number) if number == NUMBER:
            at_its_end.set()
        case _:
            pass  # other events, also those that are still to come


@broker.subscriber("invoice.status", **FROM_THE_FIRST)
async def on_status(message: KafkaMessage) -> None:
    document = read(message.raw_message)
    if isinstance(document, InvoiceStatus):
        statuses[document.invoice_number] = document.status.code
    if statuses.get(NUMBER) == "returned":
        rebuilt.set()


async def replied(command: AnyCommand) -> AnyReply:
    """Publish a command and return its reply. If none comes, the same id may be sent again: it is done once."""
    id_ = f"{type(command).__name__}-{command.invoice_number}"
    record = write(command, id=id_, source=SOURCE)
    awaited[id_] = asyncio.get_running_loop().create_future()
    headers = {name: value.decode() for name, value in record.headers}
    await broker.publish(record.value, record.topic, key=record.key, headers=headers)
    return await awaited[id_]


async def main() -> None:
    invoice = RegisterInvoice(
        invoice_number=NUMBER, account_id="acme", kind="general", issued_on=date(2026, 2, 1),
        seller=Seller(name="Cloud Company", tax_id="91330106MA2CFLDG4R"), buyer=Buyer(name="Li Wei"),
        net_amount=Decimal("100.00"), tax_amount=Decimal("6.00"), total_amount=Decimal("106.00"),
        charges=(Charge(charge_id=f"{NUMBER}-ecs", amount=Decimal("106.00")),),
    )  # fmt: skip
    async with broker, asyncio.timeout(60):
        await broker.start()
        for command in (invoice, RequestReturn(invoice_number=NUMBER, account_id="acme", reason="wrong_amount")):
            reply = await replied(command)
            print(type(command).__name__, reply.status if isinstance(reply, CommandAccepted) else reply.code)
        await at_its_end.wait()
        await rebuilt.wait()
    print(*events, f"rebuilt {statuses[NUMBER]}", sep="\n")


asyncio.run(main())
