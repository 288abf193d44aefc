"""Changed status documents go to the compacted topic `invoice.status`; a document may repeat, but never goes back."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence

import structlog
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.cloudevents import headers
from events.names import PROJECTOR_SOURCE, event_id, projector_group
from events.topics import STATUS_TOPIC
from projections.publication import outbox
from projections.publication.failures import PUBLICATION, PublicationFailures
from projections.publication.outbox import UnpublishedDocument
from transport.addresses import Addresses
from transport.clients.postgres import connect_async
from transport.outbox import PAUSE_SECONDS, FencedPublisher
from transport.producer import Fenced, FencedProducers
from transport.records import OutgoingRecord

log = structlog.get_logger(__name__)

NAME = projector_group("status")
"""Prefix of the transactional ids."""
_MAX_DOCUMENTS = 500
"""Documents of a partition in one Kafka transaction."""
_LOOK_SECONDS = 1.0
"""Seconds between looks for documents that nothing announced: another process's, or those left by a crash."""
_TURN_SECONDS = 0.1
"""Least seconds from one publication to the next: each is a Kafka transaction for every partition with documents."""
_CROWDED_TURN_SECONDS = 0.4
"""The same while many documents come."""


def status_publisher(addresses: Addresses) -> FencedPublisher:
    """Return what publishes the documents of the partitions that this process owns."""
    return FencedPublisher(
        FencedProducers(addresses.kafka, NAME),
        StatusDocuments(addresses.database),
        name=PUBLICATION,
        look_seconds=_LOOK_SECONDS,
        turn_seconds=_TURN_SECONDS,
        crowded_turn_seconds=_CROWDED_TURN_SECONDS,
    )


class StatusDocuments:
    """`transport.outbox.Outbox` of the status documents that have changed."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._failures = PublicationFailures(database)

    async def connect(self) -> AsyncConnection[TupleRow]:
        """Open a session."""
        return await connect_async(self._database, "projector")

    def assigned(self, partitions: frozenset[int]) -> None:
        """Forget the failures of earlier partitions."""
        self._failures.owned(partitions)

    async def failed(self, partitions: Collection[int], error: Exception) -> None:
        """Show the partitions as stopped once they have failed for a while."""
        await self._failures.failed(partitions, error)

    def close(self) -> None:
        """Let the thread that shows failures end."""
        self._failures.close()

    async def publish_waiting(self, connection: AsyncConnection[TupleRow], publisher: FencedPublisher) -> bool:
        """Publish some documents of every partition; return whether one has more."""
        owned = publisher.owned
        by_partition: dict[int, list[UnpublishedDocument]] = defaultdict(list)
        for document in await outbox.pending(connection, owned, _MAX_DOCUMENTS) if owned else ():
            by_partition[document.partition].append(document)
        published = await asyncio.gather(
            *(self._publish(publisher, partition, documents) for partition, documents in by_partition.items())
        )
        done = [document for documents in published for document in documents]
        if done:
            await outbox.drop(connection, done)
        await self._failures.succeeded(owned.difference(by_partition) | {document.partition for document in done})
        return any(len(documents) == _MAX_DOCUMENTS for documents in published)

    async def _publish(
        self, publisher: FencedPublisher, partition: int, documents: Sequence[UnpublishedDocument]
    ) -> Sequence[UnpublishedDocument]:
        """Publish one partition's documents, and return those that are published: all, or none after a failure."""
        try:
            await publisher.publish(partition, [status_record(document) for document in documents])
        except Fenced:
            return ()
        except KafkaError as error:
            log.warning("status_documents_wait", partition=partition, error=repr(error))
            publisher.leave(partition, PAUSE_SECONDS)
            await self._failures.failed([partition], error)
            return ()
        return documents


def status_record(document: UnpublishedDocument) -> OutgoingRecord:
    """Return the record of a document. The same version always has the same id."""
    return OutgoingRecord(
        topic=STATUS_TOPIC,
        key=document.invoice_number.encode(),
        value=document.document.encode(),
        headers=headers(
            id=event_id(document.invoice_number, document.version),
            source=PROJECTOR_SOURCE,
            name="InvoiceStatus.v1",
            subject=document.invoice_number,
            time=document.as_of,
            correlation=document.correlation,
            causation=document.causation,
            traceparent=document.traceparent,
        ),
    )
