"""Play a scenario: publish commands, follow invoices to their ends, rebuild every status. With Confluent's client.

make -C ../.. library; pip install confluent-kafka ../../dist/redletter_events-*.whl
REDLETTER_KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python client.py ../scenario.json
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import redletter_events
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from redletter_events import AnyCommand, AnyReply, CommandAccepted, InvoiceStatus, attributes, read, write

KAFKA, SOURCE = os.environ["REDLETTER_KAFKA_BOOTSTRAP_SERVERS"], "urn:example:python"
SECONDS = 300
"""How long Kafka may take for one answer."""
# The partitioner of Java's clients keeps the order among publishers; see docs/integrate/publish.md.
PRODUCER = Producer({"bootstrap.servers": KAFKA, "partitioner": "murmur2_random", "enable.idempotence": True})


def consumer_of(topic: str, *, from_now: bool = False) -> Consumer:
    """Read all partitions of a topic, committed records only, from the first one or from those still to come."""
    settings = {"bootstrap.servers": KAFKA, "group.id": "example", "isolation.level": "read_committed"}
    consumer = Consumer(settings | {"enable.partition.eof": True, "enable.auto.commit": False})
    known = consumer.list_topics(topic, SECONDS).topics[topic].partitions
    partitions = [TopicPartition(topic, number) for number in known]
    for partition in partitions:
        partition.offset = consumer.get_watermark_offsets(partition, SECONDS)[from_now]
    consumer.assign(partitions)
    return consumer


def records(consumer: Consumer) -> Iterator[Message]:
    """Yield records, and an end of a partition as a message with an error."""
    while message := consumer.poll(SECONDS):
        if (error := message.error()) and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        yield message
    raise TimeoutError("nothing came within 5 minutes")


def replied(replies: Consumer, command: AnyCommand, id_: str, *, structured: bool) -> AnyReply:
    """Publish a command and return its reply. If none comes, the same id may be sent again: it is done once."""
    PRODUCER.produce(**write(command, id=id_, source=SOURCE, structured=structured)._asdict())
    PRODUCER.flush()
    for record in records(replies):
        reply = None if record.error() else read(record)
        if isinstance(reply, AnyReply) and (reply.command_id, reply.command_source) == (id_, SOURCE):
            return reply
    raise AssertionError


def followed(number: str, last: str) -> int:
    """Print an invoice's events up to the last one; return its version."""
    for record in records(consumer_of("invoice.events")):
        if not record.error() and (said := attributes(record)).subject == number:
            event = read(record)
            print(number, said.version, type(event).__name__)
            if type(event).__name__ == last:
                return said.version or 0
    raise AssertionError


def rebuilt(number: str, version: int) -> str:
    """Return a status as a service does that joins late: from one compacted topic, to the end of each partition."""
    late, statuses = consumer_of("invoice.status"), dict[str, InvoiceStatus]()
    behind = {partition.partition for partition in late.assignment()}
    for record in records(late):
        if record.error():
            behind.discard(record.partition())
        elif isinstance(document := read(record), InvoiceStatus):
            statuses[document.invoice_number] = document
        if not behind and number in statuses and statuses[number].version == version:
            return statuses[number].status.code
    raise AssertionError


def main(scenario: dict) -> None:
    replies = consumer_of("invoice.replies", from_now=True)
    for step in scenario["commands"]:
        command = getattr(redletter_events, step["type"]).model_validate_json(json.dumps(step["data"]))
        reply = replied(replies, command, step["id"], structured=step["mode"] == "structured")
        outcome = reply.status if isinstance(reply, CommandAccepted) else reply.code
        print(step["type"], outcome, *["replayed"] * reply.replayed)
    for number, last in scenario["follow"].items():
        print(number, "rebuilt:", rebuilt(number, followed(number, last)))


main(json.loads(Path(sys.argv[1]).read_text()))
