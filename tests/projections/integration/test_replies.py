"""The reply to each command is kept, for as long as its topic keeps it."""

import json
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from events.notices import CommandReleased
from events.topics import WEEK
from tests.projections.support.replied import ACCEPTED, BILLING, CUSTOMER, notice, project, reply
from transport.addresses import Addresses

FREE = "INTERNAL_FAULT"


def rows(tables: Addresses, query: LiteralString) -> list[Any]:
    with psycopg.connect(tables.database) as connection:
        return connection.execute(query).fetchall()


def kept(tables: Addresses) -> list[tuple[str, str]]:
    """Return the answer and the words of each reply that is kept."""
    query = "select reply from projections.replies where reply is not null order by topic, source, command_id"
    found = rows(tables, query)
    documents = [json.loads(text) for (text,) in found]
    return [(document.get("code", ACCEPTED), document["said"]) for document in documents]


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two batches"])
@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (ACCEPTED, "IDEMPOTENCY_KEY_REUSED", "first"),
        ("INVOICE_NOT_FOUND", ACCEPTED, "first"),
        (FREE, ACCEPTED, "second"),
        ("MALFORMED_COMMAND", FREE, "second"),
    ],
)
def test_the_first_reply_that_uses_an_id_up_stays_and_any_other_gives_way(
    tables: Addresses, first: str, second: str, stays: str, *, apart: bool
) -> None:
    replies = [reply(first, said="first"), reply(second, to=(CUSTOMER, 0, 1), said="second")]
    project(tables, *([[one] for one in replies] if apart else [replies]))
    assert kept(tables) == [({"first": first, "second": second}[stays], stays)]


def test_a_repeat_does_not_replace_the_first_reply(tables: Addresses) -> None:
    project(tables, [reply(said="first")], [reply(to=(CUSTOMER, 0, 1), said="again", replayed=True)])
    assert kept(tables) == [(ACCEPTED, "first")]
    assert rows(tables, "select times from projections.reply_counts") == [(1,)]


def test_commands_with_one_id_on_other_topics_or_by_other_sources_have_replies_of_their_own(tables: Addresses) -> None:
    same_id = [reply(said="1"), reply(command_source="urn:t", said="2"), reply(to=(BILLING, 0, 0), said="3")]
    project(tables, same_id)
    assert kept(tables) == [(ACCEPTED, "3"), (ACCEPTED, "1"), (ACCEPTED, "2")]


def test_a_reply_is_forgotten_when_its_topic_no_longer_keeps_it(tables: Addresses) -> None:
    project(tables, [reply(command_id=f"old-{one}", said="old") for one in range(5)], age=WEEK + timedelta(minutes=1))
    project(tables, [reply(command_id="young", said="young")], age=WEEK - timedelta(minutes=1))
    assert kept(tables).count((ACCEPTED, "old")) == 0
    project(tables, [reply(command_id="new", said="new")])
    assert sorted(kept(tables)) == [(ACCEPTED, "new"), (ACCEPTED, "young")]


def test_no_batch_forgets_more_than_twice_what_it_brings(tables: Addresses) -> None:
    project(tables, [reply(command_id=f"old-{one}", said="old") for one in range(7)], age=timedelta(days=6))
    with psycopg.connect(tables.database) as connection:
        connection.execute("update projections.replies set replied_at = replied_at - interval '2 days'")
    project(tables, [reply(command_id="new")])
    assert len(kept(tables)) == 7 - 2 + 1


def test_a_reply_says_up_to_where_commands_have_replies_if_it_is_in_the_partition_of_its_command(
    tables: Addresses,
) -> None:
    """Replies to one partition of commands lie in several where a publisher chooses partitions in its own way."""
    project(tables, [reply(to=(CUSTOMER, 0, 5)), reply(to=(CUSTOMER, 0, 7)), reply(to=(BILLING, 0, 3))])
    project(tables, [reply(to=(CUSTOMER, 0, 9)), reply(to=(CUSTOMER, 1, 2))], partition=1)
    places = "select topic, partition, record_offset from projections.reply_places order by 1, 2"
    assert rows(tables, places) == [(BILLING, 0, 3), (CUSTOMER, 0, 7), (CUSTOMER, 1, 2)]
    project(tables, [reply(to=(CUSTOMER, 0, 1))])  # of a topic that was deleted and created again
    assert rows(tables, places)[1] == (CUSTOMER, 0, 1)


def parked(tables: Addresses) -> int:
    """Return how many commands are there without a reply."""
    ((commands,),) = rows(tables, "select count(*) from projections.replies where reply is null")
    return commands


def test_a_parked_command_is_there_without_a_reply_until_it_has_one(tables: Addresses) -> None:
    project(tables, [notice()], [reply(said="another", command_id="c2")])
    assert (parked(tables), kept(tables)) == (1, [(ACCEPTED, "another")])
    project(tables, [notice(kind=CommandReleased)])
    assert parked(tables) == 1
    project(tables, [reply(said="released")])
    assert (parked(tables), kept(tables)) == (0, [(ACCEPTED, "released"), (ACCEPTED, "another")])


@pytest.mark.parametrize("answer", [ACCEPTED, FREE])
def test_a_notice_that_comes_after_the_reply_hides_nothing(tables: Addresses, answer: str) -> None:
    project(tables, [reply(answer)], [notice()], [notice(kind=CommandReleased)])
    assert (parked(tables), kept(tables)) == (0, [(answer, "")])


def test_a_parked_command_is_not_forgotten(tables: Addresses) -> None:
    project(tables, [notice()], age=2 * WEEK)
    project(tables, [reply(command_id="c2")])
    assert parked(tables) == 1
