"""What is parked is shown, with since when and why: invoices that a read model cannot fold, and commands that wait."""

import asyncio

import httpx
import psycopg
import pytest

from projections.catalogue import MODELS
from tests.projections.support import facts
from tests.projections.support.published import messages, records
from tests.web.support.serving import measured, serving
from transport.addresses import Addresses
from web.console import invoices
from web.http.min_version import LONGEST_WAIT

OTHER = f"26{1:018}"
WHY = 'ZeroDivisionError: "division" by zero'


def project(tables: Addresses) -> None:
    """Project two invoices, one of which every read model has parked since."""
    own = records([*messages([facts.issued()]), *messages([facts.issued(invoice_number=OTHER)])])
    with psycopg.connect(tables.database) as connection, connection.cursor() as cur:
        for name in ("status", "details", "history", "invoices"):
            MODELS[name].make().project(cur, own)
            cur.execute(
                "insert into projections.parked (model, invoice_number, topic, partition, record_offset, version, why)"
                " values (%s, %s, 'invoice.events', 0, 7, 2, %s)",
                (name, facts.NUMBER, WHY),
            )


async def test_an_invoice_that_is_parked_says_so_wherever_it_is_asked_for(tables: Addresses) -> None:
    project(tables)
    async with serving(tables) as client:
        for path in ("", "/status", "/history", "/status?as_of=2030-01-01T00:00:00Z", "?as_of=2030-01-01T00:00:00Z"):
            shown = (await client.get(f"/invoices/{facts.NUMBER}{path}")).json()
            assert shown["out_of_date"]["reason"] == WHY, path
            assert shown["out_of_date"]["since"].startswith("20"), path
            assert "out_of_date" not in (await client.get(f"/invoices/{OTHER}{path}")).json()
        lines = {one["invoice_number"]: one for one in (await client.get("/invoices")).json()["items"]}
        assert (lines[facts.NUMBER]["out_of_date"]["reason"], "out_of_date" in lines[OTHER]) == (WHY, False)
        (line,) = (await client.get("/invoices", params={"q": facts.NUMBER[:8]})).json()["items"]
        assert line["out_of_date"]["reason"] == WHY
        assert [(await client.get(page)).text.count("Out of date") for page in ("/", f"/rows/{OTHER}")] == [1, 0]
        page = await client.get(f"/details/{facts.NUMBER}")
        assert "Out of date since" in page.text
        assert "Out of date since" not in (await client.get(f"/details/{OTHER}")).text
        await assert_told_to_operators(client)


async def test_a_version_that_cannot_come_before_a_release_is_not_waited_for(
    tables: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoices, "VERSION_WAIT_SECONDS", 60)
    project(tables)
    async with serving(tables) as client:
        for path in ("", "/status", "/history"):
            async with asyncio.timeout(LONGEST_WAIT):
                refused = await client.get(f"/invoices/{facts.NUMBER}{path}?min_version=2&wait={LONGEST_WAIT}")
            told = refused.json()
            assert (refused.status_code, told["code"], told["version"]) == (409, "NOT_YET_PROJECTED", 1)
            assert told["out_of_date"]["reason"] == WHY
            assert "operators release the invoice" in told["detail"]
            assert (await client.get(f"/invoices/{facts.NUMBER}{path}?min_version=1")).status_code == 200
        hidden = await client.get(f"/invoices/{facts.NUMBER}?min_version=2&account_id=another")
        assert "out_of_date" not in hidden.json()
        async with asyncio.timeout(invoices.VERSION_WAIT_SECONDS):
            assert "Out of date" in (await client.get(f"/rows/{facts.NUMBER}?min_version=2")).text


async def assert_told_to_operators(client: httpx.AsyncClient) -> None:
    ready = (await client.get("/readyz")).json()
    assert [(one["model"], one["invoices"], one["first"]) for one in ready["out_of_date"]] == [
        (name, 1, facts.NUMBER) for name in ("details", "history", "invoices", "status")
    ]
    reported = [one["detail"] for one in ready["reasons"] if one["code"] == "INVOICES_OUT_OF_DATE"]
    assert len(reported) == 4
    assert WHY in reported[0]
    await measured(client, 'redletter_out_of_date_invoices{model="status"} 1.0')
    assert "INVOICES_OUT_OF_DATE" in (await client.get("/board")).text


async def test_commands_that_wait_for_a_parked_invoice_are_counted_wherever_operators_look(tables: Addresses) -> None:
    with psycopg.connect(tables.database) as connection:
        connection.execute(
            "insert into redletter.parked_invoices (invoice_number, error, last_turn, last_place, commands, bytes)"
            " values (%s, %s, 3, 3, 3, 900), (%s, 'later', 2, 2, 2, 600)",
            (facts.NUMBER, WHY, OTHER),
        )
        connection.execute("update redletter.parked_invoices set since = '2026-02-01Z' where error <> 'later'")
    async with serving(tables) as client:
        await measured(client, "redletter_parked_invoices 2.0", "redletter_parked_commands 5.0")
        (reported,) = [
            one["detail"] for one in (await client.get("/readyz")).json()["reasons"] if one["code"] == "INVOICES_PARKED"
        ]
        assert reported.startswith("2 invoices are parked since a command could not be decided, and 5 commands wait;")
        assert f"{facts.NUMBER}, since 2026-02-01" in reported
        assert WHY in reported
        shown = (await client.get("/operations")).json()["parked"]
        assert [(one["invoice_number"], one["commands"]) for one in shown] == [(facts.NUMBER, 3), (OTHER, 2)]
        assert "commands waiting: 3" in (await client.get("/board")).text
