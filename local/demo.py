"""The demo: a system of its own, and the journeys of the seed played through Kafka as outside services would.

Every status is printed as it changes, and every reply and end state is checked.
"""

import asyncio
import json
import shutil
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

from events import cloudevents, topics
from events.catalogue import COMMANDS
from local import terminal
from local.embedded import ServerFailed
from local.running import AlreadyRunning, FolderUnusable
from local.supervision import SupervisionFailed
from local.up import Failed, Plan, system
from transport.addresses import Addresses

WITHIN = 30.0
"""Seconds in which a reply or a status must come."""
SOURCE = "urn:redletter:demo"
BILLING, TAX, CUSTOMER = "billing", "the tax connector", "the customer"
ACCOUNT = "demo-account"
FORMS = [f"3300002611000000000{index}" for index in range(1, 5)]


class Differs(Exception):
    """Something is not as it should be; the message says what."""


@dataclass
class Stage:
    """Where the journeys are played: publishes commands, hears replies, events and status changes."""

    producer: AIOKafkaProducer
    api: str
    say: Callable[[str], None]
    replies: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    events: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def hear(self, topic: str, id_: str, value: bytes) -> None:
        """Take in a reply, an event or a status document, and say it when a status has changed."""
        body = json.loads(value)
        match topic:
            case topics.REPLIES:
                self.replies[body["command_id"]] = body
            case topics.EVENTS:
                self.events[id_] = body
            case _:
                self._hear_status(body)

    def _hear_status(self, body: dict[str, Any]) -> None:
        number, label = body["invoice_number"], body["status"]["label"]
        if self.statuses.get(number, {}).get("status", {}).get("label") != label:
            self.say(f"    {number}  {label}")
        self.statuses[number] = body

    async def order(
        self, who: str, name: str, number: str, *, refused: str | None = None, **body: object
    ) -> dict[str, Any]:
        """Publish a command, wait for its reply, check it, and return it."""
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
        return self.replies[id_]

    async def event_of(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Return the one event that an accepted command led to, as its subscribers get it."""
        (reference,) = reply["events"]
        await self._until(lambda: reference["id"] in self.events, f"the event {reference['id']} is not published")
        return self.events[reference["id"]]

    async def reaches(self, number: str, status: str, **facts: object) -> None:
        """Wait until an invoice has a status and these facts, on the topic, and then check them over HTTP."""
        await self._until(
            lambda: self._has(number, status, facts), f"{number} does not become {status} with {facts or 'that'}"
        )
        version = self.statuses[number]["version"]
        document = await asyncio.to_thread(_get, f"{self.api}/invoices/{number}/status?min_version={version}&wait=10")
        told = {"status": document["status"]["code"], **{name: document.get(name) for name in facts}}
        if told != {"status": status, **facts}:
            msg = f"{number} should be {facts | {'status': status}} and is {told}"
            raise Differs(msg)

    def _has(self, number: str, status: str, facts: Mapping[str, object]) -> bool:
        document = self.statuses.get(number, {"status": {"code": None}})
        return document["status"]["code"] == status and all(document.get(name) == facts[name] for name in facts)

    async def refused(self, number: str, code: str) -> None:
        """Wait until the tax side has refused the return of an invoice, with this code."""
        await self._until(
            lambda: self.statuses.get(number, {}).get("last_refusal", {}).get("code") == code,
            f"the return of {number} is not refused with {code}",
        )
        self.say(f"    {number}  refused by the tax side: {code}")
        await self.reaches(number, "issued", return_complete=False)

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
        **_own,
        "kind": kind,
        "issued_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "seller": {"name": "Cloud Company", "tax_id": "91330106MA2CFLDG4R"},
        "buyer": {"name": "Example Ltd.", "tax_id": "91110108551385082Q"},
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
        "charges": [{"charge_id": charge, "amount": "106.00"}],
    }


_own: Mapping[str, Any] = {"account_id": ACCOUNT}
_complete: Mapping[str, Any] = {"return_complete": True, "original_void": True}


def _by_form(number: str, form: str) -> Mapping[str, Any]:
    return {**_own, "red_font_form_number": form, "reason": "wrong_amount", "remarks": f"original invoice {number}"}


async def _recorded_invoice(stage: Stage, number: str, charge: str) -> None:
    await stage.order(BILLING, "RegisterInvoice", number, **_invoice("special", charge))
    observed: dict[str, Any] = {"posting_status": "recorded", "observed_at": datetime.now(UTC).isoformat()}
    await stage.order(TAX, "RecordPostingStatus", number, **observed)


async def simple_route(stage: Stage, number: str) -> None:
    """Return a general invoice: no form, no reason, no remarks. It can be neither changed before nor kept after."""
    stage.say("1. A general electronic invoice is returned (simple route)")
    await stage.order(BILLING, "RegisterInvoice", number, **_invoice("general", "demo-charge-1"))
    await stage.reaches(number, "issued", return_complete=False)
    await stage.order(CUSTOMER, "AmendInvoice", number, refused="ISSUED_INVOICE_IMMUTABLE", **_own, changes={})
    await stage.order(CUSTOMER, "RequestReturn", number, **_own)
    await stage.reaches(number, "returned", **_complete)
    await stage.order(CUSTOMER, "RequestReturn", number, refused="INVOICE_ALREADY_REVERSED", **_own)


async def form_route(stage: Stage, number: str) -> None:
    """Return a recorded special invoice: the form comes first, and the request names it."""
    stage.say("2. A recorded special VAT invoice is returned (form route)")
    await stage.order(BILLING, "RegisterInvoice", number, **_invoice("special", "demo-charge-2"))
    await stage.order(CUSTOMER, "RequestReturn", number, refused="POSTING_STATUS_UNKNOWN", **_own)
    observed: dict[str, Any] = {"posting_status": "recorded", "observed_at": datetime.now(UTC).isoformat()}
    await stage.order(TAX, "RecordPostingStatus", number, **observed)
    await stage.order(CUSTOMER, "RequestReturn", number, refused="RED_FONT_FORM_NUMBER_REQUIRED", **_own)
    await stage.order(CUSTOMER, "RequestReturn", number, **_by_form(number, FORMS[0]))
    await stage.reaches(number, "returned", **_complete)


async def refused_form(stage: Stage, number: str) -> None:
    """Have a form refused by the tax side, and return the invoice with a new one. The number asks for it."""
    stage.say("3. A form has expired: the return is refused, and goes through with a new form")
    await _recorded_invoice(stage, number, "demo-charge-3")
    await stage.order(CUSTOMER, "RequestReturn", number, **_by_form(number, FORMS[1]))
    await stage.refused(number, "RED_FONT_FORM_EXPIRED")
    await stage.order(CUSTOMER, "RequestReturn", number, **_by_form(number, FORMS[2]))
    await stage.reaches(number, "returned", last_refusal=None, **_complete)


async def no_way_back(stage: Stage, number: str) -> None:
    """Try to cancel a return, and to amend its invoice, while the tax side takes its time. The number asks for it."""
    stage.say("4. A submitted return can be neither cancelled nor amended")
    await _recorded_invoice(stage, number, "demo-charge-4")
    await stage.order(CUSTOMER, "RequestReturn", number, **_by_form(number, FORMS[3]))
    await stage.order(CUSTOMER, "CancelReturn", number, refused="RETURN_CANNOT_BE_CANCELLED", **_own)
    await stage.order(CUSTOMER, "AmendInvoice", number, refused="ISSUED_INVOICE_IMMUTABLE", **_own, changes={})
    await stage.reaches(number, "return_in_progress", return_complete=False)


async def reissue(stage: Stage, original: str, replacement: str) -> None:
    """Ask for a new invoice for the charges of a returned one, and issue it."""
    stage.say("5. The charges of the first invoice are invoiced anew")
    wanted: dict[str, Any] = {"charge_ids": ["demo-charge-1"], "buyer": {"name": "The Right Name Ltd."}}
    reply = await stage.order(CUSTOMER, "RequestReissue", original, **_own, **wanted)
    asked = await stage.event_of(reply)
    new: dict[str, Any] = {
        **_invoice(asked["kind"], *asked["charge_ids"]),
        "buyer": asked["buyer"],
        "replaces": {"invoice_number": original, "reissue_id": asked["reissue_id"]},
    }
    await stage.order(BILLING, "RegisterInvoice", replacement, **new)
    await stage.reaches(original, "returned", replacement_numbers=[replacement], **_complete)
    stage.say(f"    {original}  is replaced by {replacement}")
    await stage.reaches(replacement, "issued", return_complete=False)


async def journeys(kafka: str, api: str, say: Callable[[str], None]) -> None:
    """Play every journey. Raises: Differs at the first thing that is not as it should be."""
    head = f"{datetime.now(UTC):%y}312000000000"
    async with _stage(kafka, api, say) as stage:
        await simple_route(stage, f"{head}000001")
        await form_route(stage, f"{head}000002")
        await refused_form(stage, f"{head}999907")
        await no_way_back(stage, f"{head}999941")
        await reissue(stage, f"{head}000001", f"{head}000005")


@asynccontextmanager
async def _stage(kafka: str, api: str, say: Callable[[str], None]) -> AsyncGenerator[Stage]:
    servers: Any = kafka.split(",")
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        topics.REPLIES,
        topics.EVENTS,
        topics.STATUS,
        bootstrap_servers=servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
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
        id_ = dict(record.headers).get("ce_id", b"").decode()
        stage.hear(record.topic, id_, record.value or b"{}")


def play(role_command: Callable[[str], Sequence[str]], migrate: Callable[[Addresses, int], None]) -> int:
    """Run the demo on a system of its own, in a folder that is removed, and return the exit code.

    role_command, migrate: as in `Plan`. 0: all as it should be; 1: something differs, or could not be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="redletter-demo-"))
    try:
        plan = Plan(folder=folder, command=role_command, migrate=migrate, api_port=0, show_logs=False)
        with system(plan) as found:
            asyncio.run(journeys(found.running.kafka, str(found.running.api), terminal.say))
            terminal.say("All journeys ended as they should. Stopping.")
    except (Differs, Failed, ServerFailed, SupervisionFailed, AlreadyRunning, FolderUnusable) as failure:
        terminal.tell(f"redletter demo: {failure}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    terminal.say("The demo went as it should.")
    return 0
