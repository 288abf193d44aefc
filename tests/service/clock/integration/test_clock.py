"""What the clock does by itself: also when it was stopped, is behind, or shares its partitions with another one."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from events.invoice_events import ReturnDeadlineRevised
from events.names import CLOCK_GROUP
from events.topics import TAX_REQUESTS_TOPIC, Channel
from rules.calendar import MAINLAND_CHINA, MainlandChina, read_decree
from service import clock
from service.clock import sending
from service.clock import timers as tables
from service.clock.sending import DueTimers
from service.store.newer_releases import ProgramTooOld
from tests.service.support import clock_facts
from tests.service.support.groups import members
from tests.service.support.ticking import NEVER, SOON, happened, names, sent, ticking, timers, until
from transport.addresses import Addresses
from transport.clients.postgres import connect_async
from transport.outbox import FencedPublisher
from transport.producer import Fenced, FencedProducers
from transport.records import OutgoingRecord


async def test_a_return_is_marked_overdue_also_when_the_clock_was_down_at_that_moment(addresses: Addresses) -> None:
    await happened(
        addresses, clock_facts.issued(), clock_facts.requested(due_latest=datetime.now(UTC) - timedelta(days=1))
    )
    async with ticking(addresses):
        found = await until(addresses, lambda found: "MarkReturnOverdue" in names(found), Channel.INTERNAL.value)
    (mark,) = [one for one in found if one.name == "MarkReturnOverdue"]
    assert mark.body["return_id"] == clock_facts.RETURN


async def test_a_replacement_is_linked_to_its_original(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.issued(replaces=True))
    async with ticking(addresses):
        (link,) = await until(addresses, lambda found: len(found) == 1, Channel.INTERNAL.value)
    assert (link.name, link.id, link.key) == ("LinkReplacement", "reissue-1", "26000000000000000009")


async def test_a_clock_that_was_stopped_resumes_where_it_was(addresses: Addresses) -> None:
    await happened(addresses, clock_facts.issued(), clock_facts.requested())
    async with ticking(addresses):
        await until(addresses, lambda found: len(found) == 1)
    await happened(addresses, clock_facts.confirmed())
    async with ticking(addresses):
        found = await until(addresses, lambda found: len(found) == 2)
    assert [(request.name, request.body["attempt"]) for request in found] == [
        ("VerifyRedFontForm", 1),
        ("IssueCreditNote", 1),
    ]


MANY = """
    insert into redletter.timers (id, partition, name, invoice_number, body, due_at, causation_id, correlation_id)
    select 'timer-' || n, n %% %s, 'MarkReturnOverdue.v1', lpad(n::text, 20, '0'),
        convert_to('{"invoice_number":"' || lpad(n::text, 20, '0') || '","return_id":"r"}', 'UTF8'),
        now() - interval '1 day' + n * interval '1 millisecond', 'cause', case when n = %s then %s else 'story' end
    from generate_series(1, %s) as n
"""
READ = """
    select sum(idx_tup_read) from pg_stat_user_indexes
    where schemaname = 'redletter' and relname = 'timers' and indexrelname <> 'timers_pkey'
"""


async def test_a_backlog_is_worked_off_in_linear_time_and_in_order(addresses: Addresses) -> None:
    """Each go passes over no more than it takes: a million due timers take ten times as long as a hundred thousand."""
    count, goes, place = 100_000, 0, tables.FIRST
    now = datetime.now(UTC)
    async with await connect_async(addresses.database, "clock", **tables.IN_INDEX_ORDER) as connection:
        await connection.execute(MANY, (1, 0, "", count))
        taken: list[str] = []
        while True:
            async with connection.transaction(), connection.cursor() as cur:
                due, place = await tables.take_due(cur, 0, now, repeat=NEVER, repeat_max=NEVER, limit=500, after=place)
            if not due:
                break
            goes += 1
            taken += [timer.id for timer in due]
        await connection.execute("select pg_stat_force_next_flush()")
        await connection.execute("select 1")
        read = await (await connection.execute(READ)).fetchone()
    assert goes == count / 500
    assert taken == [f"timer-{n}" for n in range(1, count + 1)]
    assert read
    assert read[0] < 3 * count


async def test_a_request_that_kafka_refuses_costs_only_itself(addresses: Addresses) -> None:
    with psycopg.connect(addresses.database) as connection:
        connection.execute(MANY, (8, 21, "x" * 2_000_000, 40))
    with capture_logs() as logs:
        async with ticking(addresses):
            found = await until(addresses, lambda found: len(found) >= 39, Channel.INTERNAL.value)
            left = timers(addresses, "select due_at > now() from redletter.timers where id = 'timer-21' or id = %s")
    assert sorted(request.id for request in found) == sorted(f"timer-{n}" for n in range(1, 41) if n != 21)
    assert left == [True]
    assert sum(line["MarkReturnOverdue"] for line in logs if line["event"] == "timers_sent") == 39


async def test_two_clocks_share_the_partitions(addresses: Addresses) -> None:
    numbers = [f"26{index:018d}" for index in range(100, 130)]
    async with ticking(addresses), ticking(addresses):
        for number in numbers:
            await happened(addresses, clock_facts.issued(number=number), clock_facts.requested("simple", number=number))
        found = await until(addresses, lambda found: {request.key for request in found} == set(numbers))
    assert len(found) == len(numbers)


async def test_a_clock_that_lost_its_partitions_cannot_write_any_more(addresses: Addresses) -> None:
    earlier, later = (FencedProducers(addresses.kafka, CLOCK_GROUP) for _ in range(2))
    everything_ = frozenset(range(8))
    for producers in (earlier, later):
        await sender_with(producers, addresses).assigned_at_once(everything_)
    with pytest.raises(Fenced):
        await earlier.publish(0, [OutgoingRecord(TAX_REQUESTS_TOPIC, b"key", b"{}", [], 0)])
    await earlier.close()
    await later.close()


def sender_with(producers: FencedProducers, addresses: Addresses) -> FencedPublisher:
    due = DueTimers(addresses.database, now=lambda: datetime.now(UTC), repeat=NEVER, repeat_max=NEVER)
    return FencedPublisher(producers, due, name="clock", look_seconds=sending.LOOK_SECONDS)


UNSENT = "select count(*) from redletter.timers where attempt = 0 and partition >= 4 and id <> %s"


async def test_a_rebalance_between_two_goes_of_a_backlog_loses_nothing_and_doubles_nothing(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, left = 400, list[int]()
    with psycopg.connect(addresses.database) as connection:
        connection.execute(MANY, (8, 0, "", count))
    producers = [FencedProducers(addresses.kafka, CLOCK_GROUP) for _ in range(2)]
    earlier, later = (sender_with(own, addresses) for own in producers)
    take_due, goes, moving = tables.take_due, itertools.count(1), set[asyncio.Task[None]]()

    async def rebalance() -> None:
        await earlier.revoked_after_turn(frozenset(range(8)))
        left.extend(timers(addresses, UNSENT))
        await earlier.assigned_at_once(frozenset(range(4)))
        await later.assigned_at_once(frozenset(range(4, 8)))

    async def taking(*arguments: Any, **more: Any) -> Any:
        if next(goes) == 3:
            moving.add(asyncio.create_task(rebalance()))
        return await take_due(*arguments, **more)

    monkeypatch.setattr(sending, "MAX_SENDINGS", 5)
    monkeypatch.setattr(tables, "take_due", taking)
    await earlier.assigned_at_once(frozenset(range(8)))
    working = [asyncio.create_task(sender.run()) for sender in (earlier, later)]
    found = await until(addresses, lambda found: len(found) >= count, Channel.INTERNAL.value)
    for task in working:
        task.cancel()
    await asyncio.wait({*working, *moving})
    for own in producers:
        await own.close()
    assert sorted(one.id for one in found) == sorted(f"timer-{n}" for n in range(1, count + 1))
    assert left > [count // 4]  # it came in long before the backlog was through


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"InvoiceIssued.v1", b"InvoiceIssued.v99", r"InvoiceIssued\.v99"),
        (b'"kind":"special"', b'"kind":"newer"', r"InvoiceIssued\.v1 with an unknown value of kind"),
    ],
    ids=["a type", "a value"],
)
async def test_a_clock_that_is_too_old_for_an_event_leaves_the_group_and_ends(
    addresses: Addresses, old: bytes, new: bytes, named: str
) -> None:
    with_return = (clock_facts.issued(), clock_facts.requested())
    await happened(addresses, *with_return, written=lambda text: text.replace(old, new))
    with pytest.raises(ProgramTooOld, match=f"holds {named} of a newer release"):
        async with asyncio.timeout(60):
            await clock.run(
                addresses, clock_shift=timedelta(0), calendar=MAINLAND_CHINA, repeat=NEVER, repeat_max=NEVER
            )
    assert await members(addresses.kafka, CLOCK_GROUP) == []


DECREED = MainlandChina(read_decree(b'{"version": "2026", "off": ["2026-02-14"], "working": []}'))


async def test_open_returns_are_revised_when_a_decree_changes_their_due_dates(addresses: Addresses) -> None:
    internal = Channel.INTERNAL.value
    ended = "26000000000000000002"
    as_known = {
        "due_earliest": MAINLAND_CHINA.due(clock_facts.AT).earliest,
        "due_latest": MAINLAND_CHINA.due(clock_facts.AT).latest,
    }
    asked = clock_facts.requested().model_copy(update=as_known)
    over = clock_facts.requested(number=ended).model_copy(update=as_known)
    await happened(addresses, clock_facts.issued(), asked, clock_facts.issued(number=ended), over)
    await happened(
        addresses, clock_facts.refused().model_copy(update={"invoice_number": ended, "return_id": over.return_id})
    )
    async with ticking(addresses):
        await until(addresses, lambda found: len(found) == 1)
    async with ticking(addresses, repeat=SOON, most=SOON, calendar=DECREED):
        revisions = await until(addresses, lambda found: names(found).count("ReviseDeadline") >= 2, internal)
        (first, again, *_) = [one for one in revisions if one.name == "ReviseDeadline"]
        assert (first.key, first.id, first.body) == (clock_facts.NUMBER, again.id, again.body)
        assert first.body == {
            "invoice_number": clock_facts.NUMBER,
            "return_id": clock_facts.RETURN,
            "due_earliest": "2026-02-16T00:00:00+08:00",
            "due_latest": "2026-02-18T23:59:59+08:00",
            "calendar": {"version": "2026", "provisional": False},
        }
        due = DECREED.due(clock_facts.AT)
        deadline: dict[str, Any] = {"due_earliest": due.earliest, "due_latest": due.latest, "calendar": due.calendar}
        revised = ReturnDeadlineRevised(**clock_facts.HEAD, return_id=clock_facts.RETURN, **deadline)
        await happened(addresses, revised, clock_facts.failed(retry_at=datetime.now(UTC)))
        await until(addresses, lambda found: len(found) >= 2)
    sendings = len(await sent(addresses, internal))
    async with ticking(addresses, repeat=SOON, most=SOON, calendar=DECREED):
        before = len(await sent(addresses))
        await until(addresses, lambda found: len(found) > before + 2)
    assert "ReviseDeadline" not in names((await sent(addresses, internal))[sendings:])
