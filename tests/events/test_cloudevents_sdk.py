"""The official CloudEvents SDK for Python reads what Redletter writes, and writes what Redletter reads.

`scripts/check_contract.mjs` asks the one for JavaScript; the example clients use it, and those for Java and Go.
"""

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from events import cloudevents
from events.catalogue import COMMAND_TYPES, json_of, schema_of, type_of
from events.command_records import CommandRecord, read_command
from tests.events.support.messages import MESSAGES

CASES = [(name, which) for name, made in MESSAGES.items() for which in made]
COMMANDS = [(name, which) for name, which in CASES if name in COMMAND_TYPES]
NUMBER = "26312000000000000001"
AT = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(("name", "which"), CASES)
def test_the_sdk_reads_every_message_with_all_its_attributes(name: str, which: str) -> None:
    body = json_of(MESSAGES[name][which])
    headers = cloudevents.headers(
        id="id-1",
        source="urn:redletter:worker",
        name=name,
        subject=NUMBER,
        time=AT,
        correlation="journey",
        causation="cause",
        version=3,
    )
    event = kafka.from_kafka(kafka.KafkaMessage(dict(headers), NUMBER.encode(), body), JSONFormat())
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": "id-1",
        "source": "urn:redletter:worker",
        "type": type_of(name),
        "subject": NUMBER,
        "time": AT,
        "datacontenttype": "application/json",
        "dataschema": schema_of(name),
        "correlationid": "journey",
        "causationid": "cause",
        "invoiceversion": "3",
        "partitionkey": NUMBER,
    }
    assert event.get_data() == json.loads(body)


@pytest.mark.parametrize(("name", "which"), COMMANDS)
@pytest.mark.parametrize("mode", [kafka.to_binary, kafka.to_structured])
def test_a_command_is_read_as_the_sdk_writes_it_in_both_modes(name: str, which: str, mode: type) -> None:
    command = MESSAGES[name][which]
    body = json.loads(json_of(command))
    attributes = {
        "id": "id-1",
        "source": "urn:example:portal",
        "type": type_of(name),
        "subject": body["invoice_number"],
    }
    event = CloudEvent({**attributes, "time": AT, "datacontenttype": "application/json"}, body)
    written = mode(event, JSONFormat(), lambda _: body["invoice_number"].encode())
    read = read_command(list(written.headers.items()), written.key, written.value)
    assert isinstance(read, CommandRecord)
    assert (read.command, read.id, read.source) == (command, "id-1", "urn:example:portal")
