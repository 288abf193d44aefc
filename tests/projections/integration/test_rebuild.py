"""A read model is rebuilt beside the live one, compared, and switched to, while events arrive and queries run."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from projections.catalogue import MODELS, REBUILT
from projections.rebuild import rebuilding, shares
from projections.rebuild.rebuilding import Busy, Outcome, ProgressReport, rebuild, verify
from tests.projections.support import rebuilt
from tests.projections.support.projected import number
from tests.projections.support.published import messages, publish
from tests.support.tasks import running
from tests.support.waiting import until
from tests.web.support.serving import serving
from transport import advisory_lock
from transport.addresses import Addresses


async def test_a_rebuilt_model_is_the_same_row_for_row_and_leaves_nothing(addresses: Addresses) -> None:
    async with rebuilt.projected(addresses, 20):
        for more, model in enumerate(REBUILT, 1):
            before = rebuilt.contents(addresses, model)
            assert (await verify(addresses, MODELS[model], rebuilt.quietly())).same is True, model
            outcome = await rebuild(addresses, MODELS[model], rebuilt.quietly(), grace=0)
            assert (outcome.same, outcome.rows) == (True, len(before)), model
            assert rebuilt.contents(addresses, model) == before, model
            assert rebuilt.tables_left(addresses) == [], model
            # The live model continues in the new tables, with their indexes.
            await publish(addresses, messages(rebuilt.story(999 + more)))
            await until(lambda: rebuilt.seen(addresses, 20 + more))  # noqa: B023 - called at once
            assert (await verify(addresses, MODELS[model], rebuilt.quietly())).same is True, model


async def test_wrong_rows_are_reported_and_corrected(addresses: Addresses) -> None:
    async with rebuilt.projected(addresses, 5):
        right = rebuilt.contents(addresses, "invoices")
        rebuilt.change(
            addresses, "update projections.invoices set standing = 'issued' where invoice_number = %s", number(3)
        )
        found = await verify(addresses, MODELS["invoices"], rebuilt.quietly())
        assert found.same is False
        assert len(found.differences) == 2
        assert all(number(3) in difference for difference in found.differences)
        mended = await rebuild(addresses, MODELS["invoices"], rebuilt.quietly(), grace=0)
        assert mended.same is False
        assert rebuilt.contents(addresses, "invoices") == right


async def test_rows_of_other_code_are_replaced_and_not_called_wrong(addresses: Addresses) -> None:
    async with rebuilt.projected(addresses, 3):
        rebuilt.change(addresses, "update projections.built set code = 'older'")
        rebuilt.change(addresses, "update projections.details set account_id = 'as it was'")
        assert (await rebuild(addresses, MODELS["details"], rebuilt.quietly(), grace=0)).same is None
        assert (await verify(addresses, MODELS["details"], rebuilt.quietly())).same is True


async def test_queries_are_answered_and_events_projected_all_the_way_through(addresses: Addresses) -> None:
    answered: list[int] = []

    async def ask(http: Any) -> None:
        while True:
            answer = await http.get(f"/invoices/{number(1)}/status")
            answered.append(answer.status_code)
            await asyncio.sleep(0.005)

    async def keep_publishing() -> None:
        for index in range(100, 160):
            await publish(addresses, messages(rebuilt.story(index)))

    async with rebuilt.projected(addresses, 50), serving(addresses) as http, running(ask(http)):
        publishing = asyncio.create_task(keep_publishing())
        for _ in range(3):
            await rebuild(addresses, MODELS["status"], rebuilt.quietly(), grace=0.1)
        await publishing
        await until(lambda: rebuilt.seen(addresses, 110))
        assert (await verify(addresses, MODELS["status"], rebuilt.quietly())).same is True
    assert set(answered) == {200}
    assert len(answered) > 50


async def test_a_rebuild_in_several_processes_reports_its_progress(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MIN_RECORDS_FOR_PROCESSES", 0)
    progress: list[tuple[int, int]] = []
    async with rebuilt.projected(addresses, 40):
        await rebuild(
            addresses, MODELS["status"], ProgressReport(lambda *at: progress.append(at), lambda _: None), grace=0
        )
        assert (await verify(addresses, MODELS["status"], rebuilt.quietly())).same is True
    assert progress[-1][0] == progress[-1][1]
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)


async def test_one_rebuild_of_a_model_at_a_time_and_several_models_at_once(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisory_lock, "_RELEASE_SECONDS", 0.5)
    async with rebuilt.projected(addresses, 5):
        outcomes = await asyncio.gather(
            *(rebuild(addresses, MODELS[name], rebuilt.quietly(), grace=0) for name in ("status", "history", "forms"))
        )
        assert [outcome.same for outcome in outcomes] == [True] * 3
        with rebuilding._alone(addresses, MODELS["status"]), pytest.raises(Busy):  # pyright: ignore[reportPrivateUsage] - what another rebuild holds
            await verify(addresses, MODELS["status"], rebuilt.quietly())


async def test_documents_that_a_rebuild_changes_are_published_again(addresses: Addresses) -> None:
    def outbox() -> Sequence[Any]:
        return rebuilt.rows(addresses, "select invoice_number, version from projections.status_outbox")

    async with rebuilt.projected(addresses, 3):
        await until(lambda: _empty(outbox))
    rebuilt.change(addresses, "update projections.status set document = '{}' where invoice_number = %s", number(2))
    outcome: Outcome = await rebuild(addresses, MODELS["status"], rebuilt.quietly(), grace=0)
    assert outcome.same is False
    assert outbox() == [(number(2), len(rebuilt.EVENTS))]


async def _empty(outbox: Any) -> bool:
    return not outbox()
