"""Who may write to our topics on Kafka without need is named."""

import pytest

from redletter.kafka_rights import excess, rights
from transport.acls import Acl, Operation


def test_what_everybody_needs_is_no_excess() -> None:
    assert excess([right for right in rights() if right.resource == "Topic"]) == {}


@pytest.mark.parametrize("user", ["portal", "billing", "tax-connector", "subscriber"])
def test_a_neighbour_reads_in_groups_that_begin_with_its_name(user: str) -> None:
    assert [right for right in rights() if (right.user, right.resource) == (user, "Group")] == [
        Acl(user, "Read", "Group", user, "prefixed")
    ]


@pytest.mark.parametrize(
    "right",
    [
        Acl("a-subscriber", "Read", "Topic", "invoice.events"),
        Acl("another-portal", "Write", "Topic", "invoice.commands.customer"),
        Acl("another-billing", "Write", "Topic", "invoice.commands.billing"),
        Acl("somebody", "All", "Topic", "orders"),
        Acl("somebody", "Read", "Topic", "*"),
    ],
)
def test_whoever_reads_or_publishes_on_one_topic_harms_nobody(right: Acl) -> None:
    assert excess([*rights(), right]) == {}


@pytest.mark.parametrize(
    ("user", "operation", "name", "topics"),
    [
        ("portal", "Write", "invoice.commands.tax", ["invoice.commands.tax"]),
        ("api", "Write", "invoice.replies", ["invoice.replies"]),
        ("worker", "AlterConfigs", "invoice.events", ["invoice.events"]),
        ("operator", "Write", "redletter.relay", ["redletter.relay"]),
        ("another-connector", "Write", "invoice.commands.tax", ["invoice.commands.tax"]),
        ("*", "Write", "invoice.commands.customer", ["invoice.commands.customer"]),
        ("a-stranger", "Write", "invoice.events", ["invoice.events"]),
        ("a-stranger", "Write", "invoice.commands.internal", ["invoice.commands.internal"]),
        ("a-stranger", "Delete", "invoice.status", ["invoice.status"]),
        ("another-portal", "All", "invoice.commands.customer", ["invoice.commands.customer"]),
    ],
)
def test_whoever_may_change_what_others_read_is_named(
    user: str, operation: Operation, name: str, topics: list[str]
) -> None:
    assert excess([*rights(), Acl(user, operation, "Topic", name)]) == {user: topics}


@pytest.mark.parametrize("acl", [Acl("x", "Write", "Topic", "*"), Acl("x", "All", "Topic", "invoice.", "prefixed")])
def test_a_right_to_many_topics_names_each_of_ours(acl: Acl) -> None:
    (topics,) = excess([acl]).values()
    assert {"invoice.events", "invoice.commands.tax"} <= set(topics)


def test_a_publisher_of_two_topics_is_named() -> None:
    both = [Acl("x", "Write", "Topic", f"invoice.commands.{channel}") for channel in ("customer", "billing")]
    assert excess(both) == {"x": ["invoice.commands.billing", "invoice.commands.customer"]}
