"""A rebuild that was interrupted, killed or frozen resumes or leaves nothing in the way."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress

import psycopg
import pytest

from projections.catalogue import MODELS
from projections.rebuild import filling, rebuilding
from projections.rebuild import tables as rebuilt
from projections.rebuild.rebuilding import ProgressReport, rebuild, verify
from redletter import read_models as command
from tests.projections.support.published import messages, publish
from tests.projections.support.rebuilt import contents, projected, quietly, rows, seen, story, tables_left
from tests.support.waiting import WITHIN, until
from transport.addresses import Addresses


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
