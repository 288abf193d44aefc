"""What readiness tells whom, while both servers answer."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from projections.engine.health import Stopped
from tests.web.support.token_issuer import TokenIssuer, token_issuer
from transport.addresses import Addresses
from transport.groups import Group
from web import app as api
from web.http.identity import ANYBODY_HERE, Access
from web.http.issuer_documents import Issuer
from web.operations import health
from web.operations.condition import Condition, LogCondition, Parked, WaitingInvoice

NOWHERE = Addresses("127.0.0.1:1", "postgresql://nobody:nothing@127.0.0.1:1/none?connect_timeout=1")
NUMBER, ERROR = "26310000000000000001", "KeyError('a secret')"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PARKED = Parked(1, 1, [WaitingInvoice(invoice_number=NUMBER, since=SINCE, why=ERROR, commands=1)])
STOPPED = Stopped(model="status", partitions=[1], why=ERROR, since=SINCE)
DEGRADED = Condition(LogCondition(parked=PARKED), (), (STOPPED,), ())


class Looks:
    """Answers, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def check(self, *_: object) -> tuple[Condition, Mapping[str, Group]]:
        self.asked += 1
        await asyncio.sleep(0)
        return DEGRADED, {}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks = Looks()
    monkeypatch.setattr(health, "check_servers", looks.check)
    return looks


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.mark.usefixtures("looks")
async def test_whoever_is_no_operator_learns_the_codes_of_the_reasons_alone(issuer: TokenIssuer) -> None:
    spoilt = {"Authorization": "Bearer a.b.c"}
    async with client_of(api.build(NOWHERE, access=Access(issuer=issuer.issuer))) as client:
        for headers in ({}, spoilt, {"Cookie": "redletter-session=invented"}, issuer.bearer("*")):
            answer = await client.get("/readyz", headers=headers)
            assert answer.status_code == 200
            assert {"READ_MODEL_STOPPED", "INVOICES_PARKED"} <= {one["code"] for one in answer.json()["reasons"]}
            assert set(answer.json()) == {"status", "reasons"}
            assert NUMBER not in answer.text
            assert ERROR not in answer.text


@pytest.mark.usefixtures("looks")
async def test_operators_learn_what_is_behind_the_reasons_and_so_does_everybody_where_nobody_is_asked(
    issuer: TokenIssuer,
) -> None:
    operator = issuer.bearer(roles=("operator",))
    for access, headers in ((Access(issuer=issuer.issuer), operator), (ANYBODY_HERE, {})):
        async with client_of(api.build(NOWHERE, access=access)) as client:
            answer = await client.get("/readyz", headers=headers)
        assert [one["why"] for one in answer.json()["stopped"]] == [ERROR]
        assert NUMBER in answer.text


@pytest.mark.usefixtures("looks")
async def test_an_issuer_that_is_away_keeps_readiness_from_nobody() -> None:
    access = Access(issuer=Issuer("http://127.0.0.1:1", "a"))
    async with client_of(api.build(NOWHERE, access=access)) as client:
        answer = await client.get("/readyz", headers={"Authorization": "Bearer a.b.c"})
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


async def test_all_who_ask_at_once_share_one_look_at_the_servers(looks: Looks) -> None:
    async with client_of(api.build(NOWHERE)) as client:
        await asyncio.gather(*(client.get("/readyz") for _ in range(50)))
        assert looks.asked < 5
        before = looks.asked
        await client.get("/readyz")
        assert looks.asked == before + 1
