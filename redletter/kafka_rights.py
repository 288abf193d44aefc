"""What each role, and each neighbour, has to be allowed on Kafka: no more."""

from collections.abc import Iterator, Sequence

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
from transport.acls import Acl, Operation, Pattern, Resource

_COMMANDS = tuple(channel.value for channel in Channel)
_OWN = tuple(topic.name for topic in TOPICS)


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
        *_allow("tax-simulator", "Read", "Group", TAX_SIMULATOR_GROUP),
        *_allow("tax-simulator", "Read", "Topic", TAX_REQUESTS_TOPIC),
        *_allow("tax-simulator", "Write", "Topic", Channel.TAX.value),
        # send, why, tail, projections, dead-letters
        *_allow("operator", "Read", "Topic", *_OWN),
        *_allow("operator", "Write", "Topic", *_COMMANDS),
        *_allow("operator", "Write", "TransactionalId", REPLAY_NAME),
        *_allow("operator", "Read", "Group", REPLAY_NAME),
        *_neighbour("portal", Channel.CUSTOMER),
        *_neighbour("billing", Channel.BILLING),
        *_neighbour("tax-connector", Channel.TAX),
        *_allow("tax-connector", "Read", "Topic", TAX_REQUESTS_TOPIC),
        *_allow("tax-connector", "Read", "Group", "tax-connector", pattern="prefixed"),
    ]


def _neighbour(user: str, channel: Channel) -> Iterator[Acl]:
    """Yield what a publisher of commands needs, who waits for the replies to them."""
    yield from _allow(user, "Write", "Topic", channel.value)
    yield from _allow(user, "Read", "Topic", REPLIES_TOPIC)


def _allow(
    user: str, operation: Operation, resource: Resource, *names: str, pattern: Pattern = "literal"
) -> Iterator[Acl]:
    return (Acl(user, operation, resource, name, pattern) for name in names)
