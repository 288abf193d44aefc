"""What Kafka lets users do: its CreateAcls, which the client lacks."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from transport.clients.kafka import KafkaAdmin

_RESOURCES = {"Topic": 2, "Group": 3, "Cluster": 4, "TransactionalId": 5}
_PATTERNS = {"literal": 3, "prefixed": 4}
_OPERATIONS = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
_ALLOW = 3

Resource = Literal["Topic", "Group", "Cluster", "TransactionalId"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs", "AlterConfigs"]


class Acl(NamedTuple):
    """That a user may do something from any host. Kafka takes Describe to follow from Read and Write."""

    user: str
    operation: Operation
    resource: Resource
    name: str
    pattern: Pattern = "literal"


class _Response(Response):
    API_KEY = 30  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType] - as the client's own do
    API_VERSION = 1  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType] - the same
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", Array(("error_code", Int16), ("error_message", String("utf-8")))),
    )


class _Request(RequestStruct):
    API_KEY = 30
    API_VERSION = 1
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "creations",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                ("resource_pattern_type", Int8),
                ("principal", String("utf-8")),
                ("host", String("utf-8")),
                ("operation", Int8),
                ("permission_type", Int8),
            ),
        ),
    )


class _CreateAcls(Request[_Request]):
    API_KEY = 30

    def __init__(self, acls: Sequence[Acl]) -> None:
        self._acls = acls

    def build(self, request_struct_class: type[_Request]) -> _Request:
        return request_struct_class(
            [
                (
                    _RESOURCES[acl.resource],
                    acl.name,
                    _PATTERNS[acl.pattern],
                    f"User:{acl.user}",
                    "*",
                    _OPERATIONS[acl.operation],
                    _ALLOW,
                )
                for acl in self._acls
            ]
        )


async def create_acls(admin: KafkaAdmin, acls: Sequence[Acl]) -> None:
    """Add what is missing of these; nothing is taken away. Raises: the KafkaError of the response."""
    client = cast("Any", admin)
    answer = await client._send_request(_CreateAcls(acls))  # noqa: SLF001 - the client has no public way
    for (code, reason), acl in zip(answer.results, acls, strict=True):
        if code:
            msg = f"{acl.operation} on {acl.resource} {acl.name} for {acl.user}: {reason}"
            raise for_code(code)(msg)
