"""The ids of topics: a topic that is deleted and created again has another (KIP-516).

The client's own metadata request is too old to ask for them, so here is a newer version of it.
"""

from io import BytesIO
from typing import Any, cast
from uuid import UUID

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from transport.clients.kafka import KafkaClient


class _Uuid(AbstractType[UUID]):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_TEXT = CompactString("utf-8")
_TAGS: Any = ("tags", TaggedFields)


class _MetadataResponse(Response):
    API_KEY: int = 3  # pyright: ignore[reportIncompatibleMethodOverride] - as the client's own do
    API_VERSION: int = 10  # pyright: ignore[reportIncompatibleMethodOverride] - as its own do
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS)),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition_index", Int32),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("replica_nodes", CompactArray(Int32)),
                        ("isr_nodes", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                _TAGS,
            ),
        ),
        ("cluster_authorized_operations", Int32),
        _TAGS,
    )


class _MetadataRequest(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        _TAGS,
    )


class _Metadata(Request[_MetadataRequest]):
    API_KEY = 3

    def __init__(self, topics: set[str]) -> None:
        self._topics = [(UUID(int=0), topic, {}) for topic in sorted(topics)]

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        no = False
        return request_struct_class(self._topics, no, no, no, {})


async def topic_ids(client: KafkaClient, topics: set[str]) -> dict[str, UUID]:
    """Return the id of each topic; one that does not exist is left out. Raises: KafkaError.

    Needs Kafka 2.8, the first that gives topics ids.
    """
    answer: Any = await client.send(cast("Any", client).get_random_node(), _Metadata(topics))
    return {name: id_ for error, name, id_, *_ in answer.topics if not error}
