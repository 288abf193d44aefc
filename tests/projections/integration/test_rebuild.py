"""A read model is rebuilt beside the live one, compared, and switched to, while events arrive and queries run."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from events.invoice_events import AnyInvoiceEvent
from events.topics import EVENTS_TOPIC
from projections import projector, resuming
from projections.catalogue import MODELS, REBUILT
from projections.rebuild import filling, rebuilding, shares
from projections.rebuild import tables as rebuilt
from projections.rebuild.filling import CannotFold, Stalled
from projections.rebuild.rebuilding import Busy, Outcome, ProgressReport, rebuild, verify
from redletter import read_models as command
from tests.projections.support import facts
from tests.projections.support.published import messages, publish
from tests.support.kafka_codecs import compress
from tests.support.tasks import running
from tests.support.undecodable import publish_undecodable
from tests.support.waiting import WITHIN, until
from tests.web.support.serving import serving
from transport.addresses import Addresses
from transport.records import OutgoingRecord

EVENTS = (
    facts.issued(),
    facts.posting(),
    facts.requested(),
    facts.confirmed(),
    facts.credited(),
    facts.returned(),
    facts.reissue_requested(),
)


def number(index: int) -> str:
    return f"26{index:018d}"


def story(index: int) -> list[AnyInvoiceEvent]:
    own = {"invoice_number": number(index)}
    return [event.model_copy(update=own | facts.common(number(index), hour)) for hour, event in enumerate(EVENTS)]


def quietly() -> ProgressReport:
    return ProgressReport(lambda _done, _total: None, lambda _sentence: None)


@asynccontextmanager
async def projected(addresses: Addresses, invoices: int) -> AsyncGenerator[None]:
    """Hold a projector whose read models have seen so many invoices."""
    await publish(addresses, [one for index in range(invoices) for one in messages(story(index))])
    async with running(projector.run(addresses)):
        await until(lambda: seen(addresses, invoices))
        yield


async def seen(addresses: Addresses, invoices: int) -> bool:
    """Tell whether every read model has seen so many invoices to their end."""
    with psycopg.connect(addresses.database) as connection:
        for table in {entry.make().names()[-1] for entry in REBUILT.values()}:
            reached = "select invoice_number from {} group by 1 having max(version) = %s"
            query = SQL(reached).format(Identifier("projections", table))
            if len(connection.execute(query, (len(EVENTS),)).fetchall()) < invoices:
                return False
    return True


def change(addresses: Addresses, statement: LiteralString, *facts: str) -> None:
    with psycopg.connect(addresses.database) as connection:
        connection.execute(statement, facts)


def rows(addresses: Addresses, query: LiteralString) -> Sequence[Any]:
    with psycopg.connect(addresses.database) as connection:
        return connection.execute(query).fetchall()


def contents(addresses: Addresses, model: str) -> list[Any]:
    found: list[Any] = []
    with psycopg.connect(addresses.database) as connection:
        for name in MODELS[model].make().names():
            query = SQL("select t::text from {} as t order by 1").format(Identifier("projections", name))
            found += connection.execute(query).fetchall()
    return found


def tables_left(addresses: Addresses) -> Sequence[Any]:
    query = "select tablename from pg_tables where schemaname = 'projections' and tablename like '%\\_\\_%'"
    return rows(addresses, query)


async def test_a_rebuilt_model_is_the_same_row_for_row_and_leaves_nothing(addresses: Addresses) -> None:
    async with projected(addresses, 20):
        for more, model in enumerate(REBUILT, 1):
            before = contents(addresses, model)
            assert (await verify(addresses, MODELS[model], quietly())).same is True, model
            outcome = await rebuild(addresses, MODELS[model], quietly(), grace=0)
            assert (outcome.same, outcome.rows) == (True, len(before)), model
            assert contents(addresses, model) == before, model
            assert tables_left(addresses) == [], model
            # The live model continues in the new tables, with their indexes.
            await publish(addresses, messages(story(999 + more)))
            await until(lambda: seen(addresses, 20 + more))  # noqa: B023 - called at once
            assert (await verify(addresses, MODELS[model], quietly())).same is True, model


async def test_wrong_rows_are_reported_and_corrected(addresses: Addresses) -> None:
    async with projected(addresses, 5):
        right = contents(addresses, "invoices")
        change(addresses, "update projections.invoices set status = 'issued' where invoice_number = %s", number(3))
        found = await verify(addresses, MODELS["invoices"], quietly())
        assert found.same is False
        assert len(found.differences) == 2
        assert all(number(3) in difference for difference in found.differences)
        mended = await rebuild(addresses, MODELS["invoices"], quietly(), grace=0)
        assert mended.same is False
        assert contents(addresses, "invoices") == right


async def test_rows_of_other_code_are_replaced_and_not_called_wrong(addresses: Addresses) -> None:
    async with projected(addresses, 3):
        change(addresses, "update projections.built set code = 'older'")
        change(addresses, "update projections.details set account_id = 'as it was'")
        assert (await rebuild(addresses, MODELS["details"], quietly(), grace=0)).same is None
        assert (await verify(addresses, MODELS["details"], quietly())).same is True


async def test_queries_are_answered_and_events_projected_all_the_way_through(addresses: Addresses) -> None:
    answered: list[int] = []

    async def ask(http: Any) -> None:
        while True:
            answer = await http.get(f"/invoices/{number(1)}/status")
            answered.append(answer.status_code)
            await asyncio.sleep(0.005)

    async def keep_publishing() -> None:
        for index in range(100, 160):
            await publish(addresses, messages(story(index)))

    async with projected(addresses, 50), serving(addresses) as http, running(ask(http)):
        publishing = asyncio.create_task(keep_publishing())
        for _ in range(3):
            await rebuild(addresses, MODELS["status"], quietly(), grace=0.1)
        await publishing
        await until(lambda: seen(addresses, 110))
        assert (await verify(addresses, MODELS["status"], quietly())).same is True
    assert set(answered) == {200}
    assert len(answered) > 50


async def test_an_interrupted_rebuild_resumes_where_it_was(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "MAX_FILL_RECORDS", 20)
    done: list[int] = []

    class Killed(Exception):
        """As if the process had been."""

    def until_a_third(at: int, total: int) -> None:
        done.append(at)
        if at > total / 3:
            raise Killed

    said: list[str] = []
    async with projected(addresses, 40):
        before = contents(addresses, "charges")
        with pytest.raises(Killed):
            await rebuild(addresses, MODELS["charges"], ProgressReport(until_a_third, said.append), grace=0)
        assert contents(addresses, "charges") == before
        interrupted_at = done[-1]
        await rebuild(addresses, MODELS["charges"], ProgressReport(lambda at, _: done.append(at), said.append), grace=0)
    assert any("resuming" in sentence for sentence in said)
    assert done[done.index(interrupted_at) + 1] > interrupted_at
    assert contents(addresses, "charges") == before


REBUILD = """
import sys
from projections.rebuild import shares
from redletter.cli import main
shares.MIN_RECORDS_FOR_PROCESSES = int(sys.argv.pop())
main()
"""
"""The command, with another number of messages from which it takes several processes."""


async def test_a_rebuild_whose_process_was_killed_resumes_where_it_was(addresses: Addresses) -> None:
    """Whether it took several processes for it or one."""

    def command(worth_it: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", REBUILD, "projections", "rebuild", "status", str(worth_it)],
            env=os.environ
            | {"REDLETTER_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka, "REDLETTER_DATABASE_URL": addresses.database},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    async def one_batch_done() -> bool:
        return bool(rows(addresses, "select 1 from redletter.positions where consumer like '%.rebuild' and next > 0"))

    async def nobody_left() -> bool:
        try:
            os.killpg(killed.pid, 0)
        except ProcessLookupError:
            return True
        return False

    async with projected(addresses, 1500):
        before = contents(addresses, "status")
        for worth_it in (0, 1_000_000):
            killed = command(worth_it)
            await until(one_batch_done)
            killed.send_signal(signal.SIGKILL)
            killed.communicate()
            await until(nobody_left)
            assert contents(addresses, "status") == before
            _, output = await asyncio.to_thread(command(worth_it).communicate, timeout=60)
            assert "resuming an interrupted rebuild" in output.decode()
            assert contents(addresses, "status") == before
            assert (await verify(addresses, MODELS["status"], quietly())).same is True
            assert tables_left(addresses) == []


async def test_a_rebuild_in_several_processes_reports_its_progress(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MIN_RECORDS_FOR_PROCESSES", 0)
    progress: list[tuple[int, int]] = []
    async with projected(addresses, 40):
        await rebuild(
            addresses, MODELS["status"], ProgressReport(lambda *at: progress.append(at), lambda _: None), grace=0
        )
        assert (await verify(addresses, MODELS["status"], quietly())).same is True
    assert progress[-1][0] == progress[-1][1]
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)


async def test_one_rebuild_of_a_model_at_a_time_and_several_models_at_once(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_RELEASE_SECONDS", 0.5)
    async with projected(addresses, 5):
        outcomes = await asyncio.gather(
            *(rebuild(addresses, MODELS[name], quietly(), grace=0) for name in ("status", "history", "forms"))
        )
        assert [outcome.same for outcome in outcomes] == [True] * 3
        with rebuilding._alone(addresses, MODELS["status"]), pytest.raises(Busy):  # pyright: ignore[reportPrivateUsage] - what another rebuild holds
            await verify(addresses, MODELS["status"], quietly())


def bad_event() -> OutgoingRecord:
    return OutgoingRecord(EVENTS_TOPIC, number(0).encode(), b"{}", [], partition=0)


async def test_a_rebuild_and_a_verification_say_that_the_live_model_has_stopped(addresses: Addresses) -> None:
    async with projected(addresses, 5):
        await publish(addresses, [bad_event()])
        await until(lambda: _stopped(addresses))
        for work in (verify, partial(rebuild, grace=0)):
            outcome = await work(addresses, MODELS["forms"], quietly())
            assert outcome.same is True
            (why,) = outcome.stopped
            assert why.startswith("invoice.events[0] offset ")
    assert tables_left(addresses) == []


@pytest.mark.parametrize("worth_it", [0, 1_000_000], ids=["in several processes", "in one process"])
async def test_a_rebuild_that_meets_an_event_it_cannot_fold_ends_and_leaves_nothing(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch, worth_it: int
) -> None:
    monkeypatch.setattr(shares, "MIN_RECORDS_FOR_PROCESSES", worth_it)
    monkeypatch.setattr(rebuilding, "_MAX_RECORDS_BEHIND_TO_PAUSE", -1 if worth_it == 0 else 0)
    async with projected(addresses, 5):
        await publish(addresses, [bad_event()])
        await until(lambda: _stopped(addresses))
        await asyncio.to_thread(resuming.skip_records, addresses.database, MODELS["forms"])
        await publish(addresses, messages(story(999)))
        before = contents(addresses, "forms")
        with pytest.raises(CannotFold, match=r"^invoice.events\[0\] offset \d+ is not a known event$"):
            await rebuild(addresses, MODELS["forms"], quietly())
        assert set(before) <= set(contents(addresses, "forms"))
    assert tables_left(addresses) == []


async def test_a_rebuild_that_meets_an_undecodable_record_says_which_and_leaves_nothing(
    addresses: Addresses,
) -> None:
    async with projected(addresses, 5):
        await publish_undecodable(addresses.kafka, EVENTS_TOPIC)
        await until(lambda: _stopped(addresses))
        await asyncio.to_thread(resuming.skip_records, addresses.database, MODELS["forms"])
        with pytest.raises(CannotFold, match=r"^invoice.events\[0\] offset \d+ cannot be decoded: .*utf-8"):
            await rebuild(addresses, MODELS["forms"], quietly())
    assert tables_left(addresses) == []


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
async def test_a_rebuild_reads_compressed_events(addresses: Addresses, codec: str) -> None:
    await compress(addresses, EVENTS_TOPIC, codec)
    async with projected(addresses, 20):
        outcome = await rebuild(addresses, MODELS["forms"], quietly(), grace=0)
        assert (outcome.same, outcome.rows) == (True, len(contents(addresses, "forms")))
        assert outcome.rows > 0


async def test_a_rebuild_does_not_wait_for_events_that_never_come(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_STALLED_SECONDS", 1.0)
    async with projected(addresses, 5):
        pass
    change(addresses, "update redletter.positions set next = next + 5 where consumer = %s", MODELS["forms"].consumer)
    with pytest.raises(Stalled, match=r"delivers no records of invoice\.events"):
        await rebuild(addresses, MODELS["forms"], quietly())


async def test_tables_that_a_killed_rebuild_has_left_are_named_and_dropped_by_the_next(addresses: Addresses) -> None:
    async with projected(addresses, 3):
        # Killed between the switch and the end of its grace.
        switched = asyncio.Event()
        say = ProgressReport(
            lambda _done, _total: None, lambda sentence: switched.set() if "switched" in sentence else None
        )
        killed = asyncio.create_task(rebuild(addresses, MODELS["forms"], say, grace=3600))
        async with asyncio.timeout(WITHIN):
            await switched.wait()
        assert tables_left(addresses)
        killed.cancel()
        with suppress(asyncio.CancelledError):
            await killed
        listed = {row[0]: row[-1] for row in await asyncio.to_thread(list, command.state_rows(addresses))}
        assert "left over from a rebuild: forms__old, forms__old_invoices; the next rebuild drops it" in listed["forms"]
        await verify(addresses, MODELS["forms"], quietly())
    assert tables_left(addresses) == []


async def test_a_rebuild_that_freezes_while_the_live_model_is_paused_lets_it_resume(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_FROZEN_AFTER", "500ms")
    async with projected(addresses, 3):
        frozen = rebuilding._transaction(addresses)  # pyright: ignore[reportPrivateUsage] - what a rebuild that stands still holds
        rebuilt.positions_of(frozen.__enter__(), MODELS["forms"].consumer, MODELS["forms"], pause=True)
        await publish(addresses, messages(story(999)))
        await until(lambda: seen(addresses, 4))
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            frozen.__exit__(None, None, None)


async def _stopped(addresses: Addresses) -> bool:
    return bool(rows(addresses, "select 1 from projections.stopped where model = 'forms'"))


async def test_documents_that_a_rebuild_changes_are_published_again(addresses: Addresses) -> None:
    def outbox() -> Sequence[Any]:
        return rows(addresses, "select invoice_number, version from projections.status_outbox")

    async with projected(addresses, 3):
        await until(lambda: _empty(outbox))
    change(addresses, "update projections.status set document = '{}' where invoice_number = %s", number(2))
    outcome: Outcome = await rebuild(addresses, MODELS["status"], quietly(), grace=0)
    assert outcome.same is False
    assert outbox() == [(number(2), len(EVENTS))]


async def _empty(outbox: Any) -> bool:
    return not outbox()
