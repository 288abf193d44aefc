"""What Kafka lets users do: its CreateAcls and DescribeAcls, for which the client has messages but no methods."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

from aiokafka.errors import SecurityDisabled, for_code
from aiokafka.protocol.admin import CreateAclsRequest_v1, DescribeAclsRequest_v1
from aiokafka.protocol.api import Request

from transport.clients.kafka import KafkaAdmin

Resource = Literal["Topic", "Group", "Cluster", "TransactionalId"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal[
    "All", "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "DescribeConfigs", "AlterConfigs"
]

_RESOURCES: dict[Resource, int] = {"Topic": 2, "Group": 3, "Cluster": 4, "TransactionalId": 5}
_PATTERNS: dict[Pattern, int] = {"literal": 3, "prefixed": 4}
_OPERATIONS: dict[Operation, int] = {name: code for code, name in enumerate(get_args(Operation), 2)}
_ANY = 1
_ALLOW = 3
CLUSTER = "kafka-cluster"
"""What Kafka calls itself in an ACL."""


class Acl(NamedTuple):
    """That a user may do something from any host. Kafka takes Describe to follow from Read and Write."""

    user: str
    operation: Operation
    resource: Resource
    name: str
    pattern: Pattern = "literal"

    def covers(self, name: str) -> bool:
        """Return whether it is about the resource of this name."""
        return name.startswith(self.name) if self.pattern == "prefixed" else self.name in {name, "*"}


class _CreateAcls(Request[CreateAclsRequest_v1]):
    API_KEY = CreateAclsRequest_v1.API_KEY

    def __init__(self, acls: Sequence[Acl]) -> None:
        self._acls = acls

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
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


class _DescribeTopicAcls(Request[DescribeAclsRequest_v1]):
    """Version 1 of the request: the library writes version 2, its newest, as if it were version 1."""

    API_KEY = DescribeAclsRequest_v1.API_KEY

    def build(self, request_struct_class: type[DescribeAclsRequest_v1]) -> DescribeAclsRequest_v1:
        return request_struct_class(_RESOURCES["Topic"], None, _ANY, None, None, _ANY, _ALLOW)


async def create_acls(admin: KafkaAdmin, acls: Sequence[Acl]) -> None:
    """Add what is missing of these; nothing is taken away. Raises: the KafkaError of the response."""
    client = cast("Any", admin)
    answer = await client._send_request(_CreateAcls(acls))  # noqa: SLF001 - the client has no public way
    for (code, reason), acl in zip(answer.creation_responses, acls, strict=True):
        if code:
            msg = f"{acl.operation} on {acl.resource} {acl.name} for {acl.user}: {reason}"
            raise for_code(code)(msg)


async def topic_acls(admin: KafkaAdmin) -> Sequence[Acl] | None:
    """Return what users are allowed on topics, from whatever hosts; None where everybody is allowed everything.

    Raises: the KafkaError of the response, such as ClusterAuthorizationFailedError.
    """
    client = cast("Any", admin)
    answer = await client._send_request(_DescribeTopicAcls())  # noqa: SLF001 - the same
    if answer.error_code == SecurityDisabled.errno:
        return None
    if answer.error_code:
        raise for_code(answer.error_code)(answer.error_message)
    return list(_read(answer.resources))


def _read(resources: Sequence[tuple[int, str, int, Sequence[tuple[str, str, int, int]]]]) -> Iterator[Acl]:
    patterns: dict[int, Pattern] = {code: pattern for pattern, code in _PATTERNS.items()}
    operations: dict[int, Operation] = {code: operation for operation, code in _OPERATIONS.items()}
    for _, name, pattern, entries in resources:
        for principal, _, operation, _ in entries:
            if operation in operations:
                user = principal.removeprefix("User:")
                yield Acl(user, operations[operation], "Topic", name, patterns[pattern])
