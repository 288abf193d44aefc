"""Which invoice a red-font form serves, on a real database."""

import json

import httpx
import pytest

from tests.projections.support import facts
from tests.projections.support.asked import NUMBERS, STORY, get, invoice, of, project
from transport.addresses import Addresses


async def test_a_form_names_the_invoice_that_it_serves(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, STORY[:3])
    path = f"/red-font-forms/{facts.FORM}"
    assert await get(client, path) == {"number": facts.FORM, "invoice_number": facts.NUMBER, "active": True}


async def test_a_confirmed_form_is_shown_as_the_tax_side_reported_it_and_stays_active(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    project(tables, STORY)
    form = await get(client, f"/red-font-forms/{facts.FORM}", account_id=facts.ACCOUNT)
    assert (form["state"], form["active"], form["invoice_number"]) == ("04", True, facts.NUMBER)
    assert form["form"] == json.loads(facts.form().model_dump_json(exclude_none=True))


async def test_a_form_of_a_refused_return_is_not_active_until_another_invoice_claims_it(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    refused = [*STORY[:3], facts.refused(form_number=facts.FORM, form_state="07", occurred_at=facts.START)]
    project(tables, refused)
    form = await get(client, f"/red-font-forms/{facts.FORM}")
    assert (form["state"], form["active"], form["invoice_number"]) == ("07", False, facts.NUMBER)


async def test_of_two_invoices_that_named_a_form_the_one_that_has_it_is_shown(
    tables: Addresses, client: httpx.AsyncClient
) -> None:
    other = NUMBERS[0]
    refused = [*STORY[:3], facts.refused(form_number=facts.FORM, form_state="07", occurred_at=facts.START)]
    project(tables, refused, [invoice(other), *of(other, facts.requested(return_id="r9"))])
    form = await get(client, f"/red-font-forms/{facts.FORM}")
    assert (form["active"], form["invoice_number"]) == (True, other)


@pytest.mark.parametrize("path", [f"/red-font-forms/{facts.OTHER_FORM}", "/red-font-forms/1", "/red-font-forms/%00"])
async def test_a_form_that_was_never_named_is_not_found(
    tables: Addresses, client: httpx.AsyncClient, path: str
) -> None:
    project(tables, STORY)
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "RED_FONT_FORM_NOT_FOUND")


async def test_another_accounts_form_is_not_found(tables: Addresses, client: httpx.AsyncClient) -> None:
    project(tables, STORY)
    answer = await client.get(f"/red-font-forms/{facts.FORM}?account_id=other")
    assert (answer.status_code, answer.json()["code"]) == (404, "RED_FONT_FORM_NOT_FOUND")
