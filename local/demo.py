"""The demo: a system of its own, and both journeys of the seed played through Kafka as outside services would.

Every status is printed as it changes, and every reply and end state is checked.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from events import cloudevents
from events.catalogue import COMMANDS
from events.topics import REPLIES, STATUS
from local.embedded import ServerFailed
from local.running import AlreadyRunning
from local.supervision import SupervisionFailed
from local.up import Failed, Plan, system

WITHIN = 30.0
"""Seconds in which a reply or a status must come."""
SOURCE = "urn:redletter:demo"
BILLING, TAX, CUSTOMER = "billing", "the tax connector", "the customer"
ACCOUNT = "demo-account"
FORM = "33000026110000000001"


class Differs(Exception):
    """Something is not as it should be; the message says what."""


@dataclass
class Stage:
    """Where the journeys are played: publishes commands, hears replies and status changes."""

    producer: AIOKafkaProducer
    api: str
    say: Callable[[str], None]
    replies: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def hear(self, topic: str, value: bytes) -> None:
        """Take in a reply or a status document, and say it when a status has changed."""
        body = json.loads(value)
        if topic == REPLIES:
            self.replies[body["command_id"]] = body
            return
        number, label = body["invoice_number"], body["status"]["label"]
        if self.statuses.get(number, {}).get("status", {}).get("label") != label:
            self.say(f"    {number}  {label}")
        self.statuses[number] = body

    async def order(self, who: str, name: str, number: str, *, refused: str | None = None, **body: object) -> None:
        """Publish a command, wait for its reply, and check it."""
        id_ = str(uuid4())
        stored = f"{name}.v1"
        headers = cloudevents.headers(
            id=id_,
            source=SOURCE,
            name=stored,
            subject=number,
            time=datetime.now(UTC),
            correlation=id_,
            causation=None,
        )
        value = json.dumps({"invoice_number": number, **body}).encode()
        await self.producer.send_and_wait(COMMANDS[stored].CHANNEL.value, value, key=number.encode(), headers=headers)
        await self._until(lambda: id_ in self.replies, f"no reply to {name} of {number}")
        code = self.replies[id_].get("code")
        self.say(f"  {who}: {name}  ->  {f'refused, {code}' if code else 'accepted'}")
        if code != refused:
            msg = f"{name} of {number} was answered with {code or 'an acceptance'} instead of {refused or 'one'}"
            raise Differs(msg)

    async def reaches(self, number: str, status: str, **facts: object) -> None:
        """Wait until an invoice has a status, on the topic and then over HTTP, and check what is told of it."""
        await self._until(
            lambda: self.statuses.get(number, {}).get("status", {}).get("code") == status,
            f"{number} does not become {status}",
        )
        version = self.statuses[number]["version"]
        document = await asyncio.to_thread(_get, f"{self.api}/invoices/{number}/status?min_version={version}&wait=10")
        told = {"status": document["status"]["code"], **{name: document.get(name) for name in facts}}
        if told != {"status": status, **facts}:
            msg = f"{number} should be {facts | {'status': status}} and is {told}"
            raise Differs(msg)

    async def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + WITHIN
        while not condition():
            if time.monotonic() > deadline:
                msg = f"{otherwise} within {WITHIN:g} s"
                raise Differs(msg)
            await asyncio.sleep(0.01)


def _get(url: str) -> dict[str, Any]:
    with urlopen(url, timeout=WITHIN) as answer:  # noqa: S310 - http, on this machine
        return json.load(answer)


def _invoice(kind: str, charge: str) -> Mapping[str, Any]:
    return {
        "account_id": ACCOUNT,
        "kind": kind,
        "issued_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "seller": {"name": "Cloud Company", "tax_id": "91330106MA2CFLDG4R"},
        "buyer": {"name": "Example Ltd.", "tax_id": "91110108551385082Q"},
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
        "charges": [{"charge_id": charge, "amount": "106.00"}],
    }


async def simple_route(stage: Stage, number: str) -> None:
    """Return a general invoice: no form, no reason, no remarks."""
    stage.say("A general electronic invoice is returned (simple route)")
    await stage.order(BILLING, "RegisterInvoice", number, **_invoice("general", "demo-charge-1"))
    await stage.reaches(number, "issued", return_complete=False)
    await stage.order(CUSTOMER, "AmendInvoice", number, refused="ISSUED_INVOICE_IMMUTABLE", **_own, changes={})
    await stage.order(CUSTOMER, "RequestReturn", number, **_own)
    await stage.reaches(number, "returned", return_complete=True, original_void=True)


async def form_route(stage: Stage, number: str) -> None:
    """Return a recorded special invoice: the form comes first, and the request names it."""
    stage.say("A recorded special VAT invoice is returned (form route)")
    await stage.order(BILLING, "RegisterInvoice", number, **_invoice("special", "demo-charge-2"))
    await stage.order(CUSTOMER, "RequestReturn", number, refused="POSTING_STATUS_UNKNOWN", **_own)
    observed: dict[str, Any] = {"posting_status": "recorded", "observed_at": datetime.now(UTC).isoformat()}
    await stage.order(TAX, "RecordPostingStatus", number, **observed)
    await stage.order(CUSTOMER, "RequestReturn", number, refused="RED_FONT_FORM_NUMBER_REQUIRED", **_own)
    asked: dict[str, Any] = {
        "red_font_form_number": FORM,
        "reason": "wrong_amount",
        "remarks": f"original invoice {number}",
    }
    await stage.order(CUSTOMER, "RequestReturn", number, **_own, **asked)
    await stage.reaches(number, "returned", return_complete=True, original_void=True)
    await stage.order(CUSTOMER, "CancelReturn", number, refused="NO_RETURN_IN_PROGRESS", **_own)


_own: Mapping[str, Any] = {"account_id": ACCOUNT}


async def journeys(kafka: str, api: str, say: Callable[[str], None]) -> None:
    """Play both journeys. Raises: Differs at the first thing that is not as it should be."""
    year = f"{datetime.now(UTC):%y}"
    async with _stage(kafka, api, say) as stage:
        await simple_route(stage, f"{year}312000000000000001")
        await form_route(stage, f"{year}312000000000000002")


@asynccontextmanager
async def _stage(kafka: str, api: str, say: Callable[[str], None]) -> AsyncGenerator[Stage]:
    servers: Any = kafka.split(",")
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        REPLIES, STATUS, bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    stage = Stage(producer, api, say)
    hearing = asyncio.create_task(_hear(consumer, stage))
    try:
        yield stage
    finally:
        hearing.cancel()
        await consumer.stop()
        await producer.stop()


async def _hear(consumer: AIOKafkaConsumer, stage: Stage) -> None:
    async for record in consumer:
        stage.hear(record.topic, record.value or b"{}")


def play(role_command: Callable[[str], Sequence[str]]) -> int:
    """Run the demo on a system of its own, in a folder that is removed, and return the exit code.

    role_command: the command line of a role. 0: all as it should be; 1: something differs, or could not be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="redletter-demo-"))
    try:
        with system(Plan(folder=folder, command=role_command, api_port=0, show_logs=False)) as found:
            asyncio.run(journeys(found.running.kafka, found.running.api, _out))
            _out("Both returns are complete. Stopping.")
    except (Differs, Failed, ServerFailed, SupervisionFailed, AlreadyRunning) as failure:
        sys.stderr.write(f"redletter demo: {failure}\n")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _out("The demo went as it should.")
    return 0


def _out(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
