"""What each role, and each neighbour, has to be allowed on Kafka: no more."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from events.names import (
    CLOCK_GROUP,
    PROJECTOR_GROUP,
    RELAY_GROUP,
    TAX_SIMULATOR_GROUP,
    WORKER_GROUP,
)
from events.topics import (
    DEAD_LETTERS_TOPIC,
    EVENTS_TOPIC,
    PARKED_TOPIC,
    RELAY_TOPIC,
    REPLIES_TOPIC,
    STATUS_TOPIC,
    TAX_REQUESTS_TOPIC,
    TOPICS,
    Channel,
)
from projections.dead_letters.replaying import REPLAY_NAME
from transport.acls import CLUSTER, Acl, Operation, Pattern, Resource

_COMMANDS = tuple(channel.value for channel in Channel)
_OWN = tuple(topic.name for topic in TOPICS)
_CHANGES = frozenset({"All", "Write", "Delete", "Alter", "AlterConfigs"})
"""Operations by which what others read becomes another."""


def rights() -> Sequence[Acl]:
    """Return what each user is allowed. Users are called as the roles are, and as the neighbours in the contract."""
    return [
        *_allow("migrate", "Create", "Topic", *_OWN),
        *_allow("migrate", "Describe", "Topic", *_OWN),
        *_allow("migrate", "DescribeConfigs", "Topic", *_OWN),
        *_allow("migrate", "AlterConfigs", "Topic", *_OWN),
        *_allow("worker", "Read", "Group", WORKER_GROUP),
        *_allow("worker", "Read", "Topic", *_COMMANDS, RELAY_TOPIC),
        *_allow("relay", "Read", "Group", RELAY_GROUP),
        *_allow("relay", "Read", "Topic", RELAY_TOPIC),
        *_allow("relay", "Write", "Topic", RELAY_TOPIC, EVENTS_TOPIC, REPLIES_TOPIC, DEAD_LETTERS_TOPIC, PARKED_TOPIC),
        *_allow("relay", "Write", "TransactionalId", RELAY_GROUP, pattern="prefixed"),
        *_allow("projector", "Read", "Group", PROJECTOR_GROUP, pattern="prefixed"),
        *_allow("projector", "Read", "Topic", EVENTS_TOPIC, REPLIES_TOPIC, DEAD_LETTERS_TOPIC, PARKED_TOPIC),
        *_allow("projector", "Write", "Topic", STATUS_TOPIC),
        *_allow("projector", "Write", "TransactionalId", PROJECTOR_GROUP, pattern="prefixed"),
        *_allow("clock", "Read", "Group", CLOCK_GROUP),
        *_allow("clock", "Read", "Topic", EVENTS_TOPIC),
        *_allow("clock", "Write", "Topic", TAX_REQUESTS_TOPIC, Channel.INTERNAL.value),
        *_allow("clock", "Write", "TransactionalId", CLOCK_GROUP, pattern="prefixed"),
        *_allow("api", "Write", "Topic", Channel.CUSTOMER.value),
        *_allow("api", "Read", "Topic", *_COMMANDS, EVENTS_TOPIC, REPLIES_TOPIC, STATUS_TOPIC),
        *_allow("api", "Read", "Topic", DEAD_LETTERS_TOPIC, PARKED_TOPIC),
        *_sees_who_runs("api"),
        *_allow("tax-simulator", "Read", "Group", TAX_SIMULATOR_GROUP),
        *_allow("tax-simulator", "Read", "Topic", TAX_REQUESTS_TOPIC),
        *_allow("tax-simulator", "Write", "Topic", Channel.TAX.value),
        # send, why, tail, projections, dead-letters, check, reconcile
        *_allow("operator", "Read", "Topic", *_OWN),
        *_allow("operator", "Write", "Topic", *_COMMANDS),
        *_allow("operator", "Write", "TransactionalId", REPLAY_NAME),
        *_allow("operator", "Read", "Group", REPLAY_NAME),
        *_sees_who_runs("operator"),
        *_allow("operator", "Describe", "Cluster", CLUSTER),
        *_allow("operator", "Write", "TransactionalId", RELAY_GROUP, pattern="prefixed"),
        *_neighbour("portal", Channel.CUSTOMER),
        *_neighbour("billing", Channel.BILLING),
        *_neighbour("tax-connector", Channel.TAX),
        *_allow("tax-connector", "Read", "Topic", TAX_REQUESTS_TOPIC),
        *_allow("subscriber", "Read", "Topic", EVENTS_TOPIC, STATUS_TOPIC),
        *_allow("subscriber", "Read", "Group", "subscriber", pattern="prefixed"),
    ]


def excess(acls: Sequence[Acl]) -> Mapping[str, Sequence[str]]:
    """Return by user the topics of ours that they may write or change without need.

    A user that `rights` does not know is another portal, or another billing system, if it may write to that one topic.
    Nobody else may say what the tax system has said, and `*` is everybody.
    """
    needed = {(right.user, right.operation, right.name) for right in rights() if right.resource == "Topic"}
    changing: set[tuple[str, Operation, str]] = {
        (acl.user, acl.operation, topic)
        for acl in acls
        for topic in _OWN
        if acl.resource == "Topic" and acl.operation in _CHANGES and acl.covers(topic)
    }
    found: dict[str, list[str]] = defaultdict(list)
    for user, _, topic in sorted(changing - needed):
        if topic not in found[user]:
            found[user].append(topic)
    return {user: topics for user, topics in found.items() if not _is_another_publisher(user, changing)}


def _is_another_publisher(user: str, changing: Collection[tuple[str, Operation, str]]) -> bool:
    held = {(operation, topic) for holder, operation, topic in changing if holder == user}
    return user not in {"*", *(right.user for right in rights())} and any(
        held == {("Write", channel.value)} for channel in (Channel.CUSTOMER, Channel.BILLING)
    )


def _sees_who_runs(user: str) -> Iterator[Acl]:
    """Yield what it takes to notice that a role does not run."""
    yield from _allow(user, "Describe", "Group", WORKER_GROUP, RELAY_GROUP, CLOCK_GROUP)
    yield from _allow(user, "Describe", "Group", PROJECTOR_GROUP, pattern="prefixed")


def _neighbour(user: str, channel: Channel) -> Iterator[Acl]:
    """Yield what a publisher of commands needs, who waits for the replies to them."""
    yield from _allow(user, "Write", "Topic", channel.value)
    yield from _allow(user, "Read", "Topic", REPLIES_TOPIC)
    yield from _allow(user, "Read", "Group", user, pattern="prefixed")


def _allow(
    user: str, operation: Operation, resource: Resource, *names: str, pattern: Pattern = "literal"
) -> Iterator[Acl]:
    return (Acl(user, operation, resource, name, pattern) for name in names)
