"""Register an invoice, return it, follow it to its end, and rebuild every status: with Confluent's client.

pip install confluent-kafka redletter-events
REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python client.py 26312000000000000001
"""

import os
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from redletter_events import (
    AnyCommand,
    AnyReply,
    Buyer,
    Charge,
    CommandAccepted,
    InvoiceReturned,
    InvoiceStatus,
    RegisterInvoice,
    RequestReturn,
    Seller,
    attributes,
    read,
    write,
)

KAFKA, SOURCE = os.environ["REDLETTER_KAFKA_BOOTSTRAP_SERVERS"], "urn:example:python"
# The partitioner of Java's clients keeps the order among publishers; see docs/integrate/publish.md.
PRODUCER = Producer({"bootstrap.servers": KAFKA, "partitioner": "murmur2_random", "enable.idempotence": True})


def consumer_of(topic: str, *, from_now: bool = False) -> Consumer:
    """Read all partitions of a topic, committed records only, from the first one or from those still to come."""
    settings = {"bootstrap.servers": KAFKA, "group.id": "example", "isolation.level": "read_committed"}
    consumer = Consumer(settings | {"enable.partition.eof": True, "enable.auto.commit": False})
    partitions = [TopicPartition(topic, number) for number in consumer.list_topics(topic).topics[topic].partitions]
    for partition in partitions:
        partition.offset = consumer.get_watermark_offsets(partition)[from_now]
    consumer.assign(partitions)
    return consumer


def records(consumer: Consumer) -> Iterator[Message]:
    """Yield records, and an end of a partition as a message with an error."""
    while message := consumer.poll(30):
        if (error := message.error()) and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        yield message
    raise TimeoutError("nothing came within 30 s")


def replied(replies: Consumer, command: AnyCommand, *, structured: bool) -> AnyReply:
    """Publish a command and return its reply. If none comes, the same id may be sent again: it is done once."""
    id_ = f"{type(command).__name__}-{command.invoice_number}"
    PRODUCER.produce(**write(command, id=id_, source=SOURCE, structured=structured)._asdict())
    PRODUCER.flush()
    for record in records(replies):
        reply = None if record.error() else read(record)
        if isinstance(reply, AnyReply) and (reply.command_id, reply.command_source) == (id_, SOURCE):
            return reply
    raise AssertionError


def main(number: str) -> None:
    replies = consumer_of("invoice.replies", from_now=True)
    invoice = RegisterInvoice(
        invoice_number=number, account_id="acme", kind="general", issued_on=date(2026, 2, 1),
        seller=Seller(name="Cloud Company", tax_id="91330106MA2CFLDG4R"), buyer=Buyer(name="Li Wei"),
        net_amount=Decimal("100.00"), tax_amount=Decimal("6.00"), total_amount=Decimal("106.00"),
        charges=(Charge(charge_id=f"{number}-ecs", amount=Decimal("106.00")),),
    )  # fmt: skip
    for command in (invoice, RequestReturn(invoice_number=number, account_id="acme", reason="wrong_amount")):
        reply = replied(replies, command, structured=command is invoice)
        print(type(command).__name__, reply.status if isinstance(reply, CommandAccepted) else reply.code)

    for record in records(consumer_of("invoice.events")):
        if record.error() or (said := attributes(record)).subject != number:
            continue
        print(said.version, type(event := read(record)).__name__)
        if isinstance(event, InvoiceReturned):
            break

    # As a service does that joins late: every status from one compacted topic, to the end of each partition.
    late, statuses = consumer_of("invoice.status"), dict[str, str]()
    behind = {partition.partition for partition in late.assignment()}
    for record in records(late):
        if record.error():
            behind.discard(record.partition())
        elif isinstance(document := read(record), InvoiceStatus):
            statuses[document.invoice_number] = document.status.code
        if not behind and statuses.get(number) == "returned":
            break
    print("rebuilt", statuses[number])


main(sys.argv[1])
