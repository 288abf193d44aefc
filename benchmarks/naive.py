"""One message at a time, as the documentation of FastStream and of eventsourcing shows it.

A handler with a pydantic body, an aggregate whose methods decide, `save` for each command, the event and a reply
published and confirmed, and then the message acknowledged: at least once, acks all. It remembers no command ids and
keeps no charge from being invoiced twice, so it does less than the service it is compared with.
"""

import asyncio
import logging
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from events import cloudevents
from events.catalogue import json_of, name_of, type_of
from events.commands import Command, RecordPostingStatus, RegisterInvoice, RequestReturn
from events.invoice_events import AnyInvoiceEvent, InvoiceIssued, PostingStatusChanged, ReturnRequested
from events.replies import CommandAccepted, EventReference
from events.topics import EVENTS_TOPIC, REPLIES_TOPIC, Channel
from events.values import Calendar, Kind, Message, PostingStatus, SeenPostingStatus, StatusCode

SOURCE = "urn:benchmark:naive"
WRONG_AMOUNTS = "AMOUNTS_DO_NOT_ADD_UP"
NOT_FOUND = "INVOICE_NOT_FOUND"
IN_PROGRESS = "RETURN_ALREADY_IN_PROGRESS"


class NotAllowed(Exception):
    """The invoice is not in a state for this command."""


class Invoice(Aggregate):
    """An invoice, as the library's documentation writes an aggregate."""

    @event("Issued")
    def __init__(  # noqa: PLR0913 - what an invoice consists of
        self,
        number: str,
        account_id: str,
        kind: Kind,
        issued_on: str,
        seller: dict[str, str],
        buyer: dict[str, str],
        net_amount: str,
        tax_amount: str,
        total_amount: str,
        charges: list[dict[str, str]],
    ) -> None:
        if Decimal(net_amount) + Decimal(tax_amount) != Decimal(total_amount):
            raise NotAllowed(WRONG_AMOUNTS)
        if sum(Decimal(charge["amount"]) for charge in charges) != Decimal(total_amount):
            raise NotAllowed(WRONG_AMOUNTS)
        self.number = number
        self.account_id = account_id
        self.kind = kind
        self.issued_on = issued_on
        self.seller = seller
        self.buyer = buyer
        self.amounts = (net_amount, tax_amount, total_amount)
        self.posting_status: SeenPostingStatus = "unknown"
        self.status: StatusCode = "issued"
        self.return_id = ""

    @staticmethod
    def create_id(number: str) -> UUID:
        """Return the id of the invoice with this number."""
        return uuid5(NAMESPACE_URL, f"/invoices/{number}")

    @event("PostingStatusChanged")
    def change_posting_status(self, posting_status: PostingStatus, observed_at: str) -> None:
        """Record what the tax side saw."""
        del observed_at
        self.posting_status = posting_status

    def request_return(self, account_id: str) -> None:
        """Open a return on the simple route."""
        if account_id != self.account_id:
            raise NotAllowed(NOT_FOUND)
        if self.status != "issued" or self.kind != "general":
            raise NotAllowed(IN_PROGRESS)
        self._return_requested(str(uuid4()))

    @event("ReturnRequested")
    def _return_requested(self, return_id: str) -> None:
        self.return_id = return_id
        self.status = "return_in_progress"


_KEPT = {
    "account_id",
    "kind",
    "issued_on",
    "seller",
    "buyer",
    "net_amount",
    "tax_amount",
    "total_amount",
    "charges",
}
"""What an invoice keeps of the command that registers it."""


class Invoices(Application[UUID]):
    """The application: load, let the aggregate decide, save."""

    def register(self, command: RegisterInvoice) -> Invoice:
        """Put an invoice on record."""
        said = command.model_dump(mode="json", include=_KEPT)
        invoice = Invoice(number=command.invoice_number, **said)
        self.save(invoice)
        return invoice

    def change_posting_status(self, command: RecordPostingStatus) -> Invoice:
        """Record what the tax side saw."""
        invoice = self._invoice(command)
        invoice.change_posting_status(command.posting_status, command.observed_at.isoformat())
        self.save(invoice)
        return invoice

    def request_return(self, command: RequestReturn) -> Invoice:
        """Open a return."""
        invoice = self._invoice(command)
        invoice.request_return(command.account_id)
        self.save(invoice)
        return invoice

    def _invoice(self, command: Command) -> Invoice:
        return cast("Invoice", self.repository.get(Invoice.create_id(command.invoice_number)))


def build(broker: KafkaBroker, invoices: Invoices, group: str) -> None:
    """Subscribe one handler to each command topic."""

    async def publish_event(happened: AnyInvoiceEvent, invoice: Invoice, message: KafkaMessage) -> None:
        number, command_id = invoice.number, message.headers["ce_id"]
        event_id = f"{number}-{invoice.version}"
        event_name = name_of(type(happened))
        await publish(EVENTS_TOPIC, happened, event_name, event_id, number, message)
        reply = CommandAccepted(
            command_id=command_id,
            command_source=message.headers["ce_source"],
            command_type=message.headers["ce_type"],
            invoice_number=number,
            invoice_version=invoice.version,
            events=(EventReference(id=event_id, type=type_of(event_name)),),
            status=invoice.status,
        )
        await publish(REPLIES_TOPIC, reply, name_of(CommandAccepted), f"reply-{command_id}", number, message)
        await message.ack()

    async def publish(  # noqa: PLR0913 - what a message consists of
        topic: str, body: Message, name: str, id_: str, number: str, message: KafkaMessage
    ) -> None:
        headers = cloudevents.headers(
            id=id_,
            source=SOURCE,
            name=name,
            subject=number,
            time=datetime.now(UTC),
            correlation=message.headers["ce_correlationid"],
            causation=message.headers["ce_id"],
        )
        text = {key: value.decode() for key, value in headers}
        await broker.publish(json_of(body), topic, key=number.encode(), headers=text)

    def subscriber(channel: Channel):  # noqa: ANN202 - the framework's own type
        return broker.subscriber(
            channel.value, group_id=group, ack_policy=AckPolicy.MANUAL, auto_offset_reset="earliest"
        )

    @subscriber(Channel.BILLING)
    async def register(command: RegisterInvoice, message: KafkaMessage) -> None:
        invoice = invoices.register(command)
        body = command.model_dump()
        await publish_event(InvoiceIssued(occurred_at=invoice.modified_on, **body), invoice, message)

    @subscriber(Channel.TAX)
    async def change_posting_status(command: RecordPostingStatus, message: KafkaMessage) -> None:
        invoice = invoices.change_posting_status(command)
        happened = PostingStatusChanged(
            invoice_number=invoice.number,
            account_id=invoice.account_id,
            occurred_at=invoice.modified_on,
            previous="unknown",
            posting_status=command.posting_status,
            observed_at=command.observed_at,
        )
        await publish_event(happened, invoice, message)

    @subscriber(Channel.CUSTOMER)
    async def request_return(command: RequestReturn, message: KafkaMessage) -> None:
        invoice = invoices.request_return(command)
        happened = ReturnRequested(
            invoice_number=invoice.number,
            account_id=invoice.account_id,
            occurred_at=invoice.modified_on,
            return_id=invoice.return_id,
            route="simple",
            posting_status=invoice.posting_status,
            due_earliest=invoice.modified_on,
            due_latest=invoice.modified_on,
            calendar=Calendar(version="none", provisional=True),
        )
        await publish_event(happened, invoice, message)

    _ = register, change_posting_status, request_return


def application(database_url: str) -> Invoices:
    """Return the application on this database, with the library's own settings."""
    url = urlsplit(database_url)
    return Invoices(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": url.path.lstrip("/"),
            "POSTGRES_HOST": url.hostname or "",
            "POSTGRES_PORT": str(url.port or 5432),
            "POSTGRES_USER": unquote(url.username or ""),
            "POSTGRES_PASSWORD": unquote(url.password or ""),
        }
    )


def _faults() -> logging.Logger:
    """Return a logger of errors alone: a handler that fails leaves its message without an answer, and says no more."""
    logging.basicConfig(level=logging.ERROR)
    return logging.getLogger("naive")


async def main() -> None:
    """Serve until SIGTERM."""
    broker = KafkaBroker(
        os.environ["REDLETTER_KAFKA_BOOTSTRAP_SERVERS"].split(","),
        acks="all",
        enable_idempotence=True,
        logger=_faults(),
    )
    with application(os.environ["REDLETTER_DATABASE_URL"]) as invoices:
        build(broker, invoices, f"naive-{uuid4()}")
        await FastStream(broker).run()


if __name__ == "__main__":
    asyncio.run(main())
