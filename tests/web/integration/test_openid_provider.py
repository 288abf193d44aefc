"""Tokens of a real OpenID provider, from its key set."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.projections.support.asked import invoice, project
from tests.web.support.openid_provider import OpenIdProvider, openid_provider
from tests.web.support.serving import problem, serving
from transport.addresses import Addresses
from web.http import issuer_documents
from web.http.identity import LOOPBACK_NAMES, Access

MINE, THEIRS = "26310000000000000001", "26310000000000000002"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
async def client(tables: Addresses, provider: OpenIdProvider) -> AsyncIterator[httpx.AsyncClient]:
    project(tables, [invoice(MINE, account="mine")], [invoice(THEIRS, account="theirs")])
    async with serving(tables, Access(LOOPBACK_NAMES, provider.issuer)) as client:
        yield client


async def test_a_program_sees_the_accounts_that_its_token_names(
    client: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    client.headers.update(provider.bearer("portal"))
    assert [one["invoice_number"] for one in (await client.get("/invoices")).json()["items"]] == [MINE]
    assert (await client.get(f"/invoices/{MINE}/status")).status_code == 200
    assert problem(await client.get(f"/invoices/{THEIRS}/status")) == (404, "INVOICE_NOT_FOUND")
    assert problem(await client.get("/operations")) == (403, "OPERATORS_ONLY")


async def test_an_operator_sees_how_the_system_is_doing(client: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    client.headers.update(provider.bearer("operations"))
    assert (await client.get("/metrics")).status_code == 200
    assert (await client.get("/invoices")).json()["items"] == []


async def test_a_token_for_another_api_is_refused(client: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    answer = await client.get("/invoices", headers=provider.bearer("portal", audience="https://other.example"))
    assert problem(answer) == (401, "UNAUTHENTICATED")
    assert answer.json()["detail"] == "The token lacks the right claim aud."


async def test_a_new_key_of_the_provider_counts_and_its_old_one_no_longer(
    client: httpx.AsyncClient, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_documents, "RENEWAL_PAUSE", 0.0)
    old = provider.bearer("portal")
    assert (await client.get("/invoices", headers=old)).status_code == 200
    provider.rotate()
    assert (await client.get("/invoices", headers=provider.bearer("portal"))).status_code == 200
    assert problem(await client.get("/invoices", headers=old)) == (401, "UNAUTHENTICATED")
