"""What belongs to another account than a caller's is told exactly as what does not exist, on every route."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from events.topics import Channel
from tests.projections.support import facts, replied
from tests.projections.support.asked import invoice, of, project
from tests.web.support.routes import LISTS, OF_A_COMMAND, OF_A_FORM, OF_ONE_INVOICE
from tests.web.support.serving import serving
from tests.web.support.token_issuer import TokenIssuer, token_issuer
from transport.addresses import Addresses
from web.gateway.commands import source_of
from web.http.identity import LOOPBACK_NAMES, Access

MINE, THEIRS, UNKNOWN = "26310000000000000001", "26310000000000000002", "26310000000000000003"
UNKNOWN_FORM = facts.OTHER_FORM
OPEN_RETURN = (facts.issued(), facts.posting(), facts.requested())
RETURN = {"account_id": "theirs", "reason": "other", "posting_status": "recorded"}
SINCE = re.compile(' data-since="[^"]*"')
HEADERS = {"Idempotency-Key": "k1", "Content-Type": "application/json"}


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


@pytest.fixture
async def client(addresses: Addresses, issuer: TokenIssuer) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of an api that knows an invoice of each of two accounts, with an open return."""
    mine = [invoice(MINE, account="mine"), *of(MINE, facts.posting(), facts.requested_simply(), account="mine")]
    theirs = [invoice(THEIRS, account="theirs"), *of(THEIRS, *OPEN_RETURN[1:], account="theirs")]
    project(addresses, mine, theirs)
    for place, account in enumerate(("mine", "theirs")):
        told = replied.reply(
            to=(Channel.CUSTOMER.value, 0, place), command_id=account, command_source=source_of(account)
        )
        replied.project(addresses, [told])
    async with serving(addresses, Access(LOOPBACK_NAMES, issuer.issuer)) as client:
        yield client


async def ask(client: httpx.AsyncClient, route: tuple[str, str], **of_one: str) -> httpx.Response:
    """Ask for one thing, as whoever the client's headers say."""
    method, template = route
    path = template.replace("{command_id:path}", "{command_id}").format(**of_one)
    if method == "GET":
        return await client.get(path)
    body = json.dumps(RETURN | ({"charge_ids": ["c"]} if path.endswith("reissue") else {}))
    return await client.post(path, content=body, headers=HEADERS)


def told(answer: httpx.Response, *names: str) -> tuple[int, str, dict[str, str]]:
    """Return all that an answer says, but the names that were asked for."""
    text = answer.text
    for name in names:
        text = text.replace(name, "...")
    own = {"etag", "date"}
    headers = {name: value for name, value in answer.headers.items() if name not in own}
    return answer.status_code, text, headers


@pytest.mark.parametrize("route", sorted(OF_ONE_INVOICE))
async def test_another_accounts_invoice_is_an_unknown_one(
    client: httpx.AsyncClient, issuer: TokenIssuer, route: tuple[str, str]
) -> None:
    client.headers.update(issuer.bearer("mine"))
    queries = ("", "?account_id=mine", "?account_id=theirs", "?min_version=1", "?min_version=9")
    routes = [(route[0], f"{route[1]}{query}") for query in queries]
    # At the same time, for an answer may take as long as a version is waited for.
    theirs = asyncio.gather(*(ask(client, asked, number=THEIRS) for asked in routes))
    unknown = asyncio.gather(*(ask(client, asked, number=UNKNOWN) for asked in routes))
    for one, other in zip(await theirs, await unknown, strict=True):
        assert told(one, THEIRS) == told(other, UNKNOWN)
        assert one.status_code in {404, 409, 422}
    if route[0] == "GET":
        client.headers.update(issuer.bearer("theirs", "others"))
        answer = await ask(client, route, number=THEIRS)
        if route[1].endswith("/key"):
            assert answer.json()["code"] == "INVOICE_HAS_NO_KEY"
        else:
            assert answer.status_code == 200
            assert THEIRS in answer.text


@pytest.mark.parametrize("route", sorted(LISTS))
async def test_no_list_names_another_accounts_invoice(
    client: httpx.AsyncClient, issuer: TokenIssuer, route: tuple[str, str]
) -> None:
    searches = ("?q=2631", f"?q={MINE[-4:]}", f"?q={THEIRS[-4:]}") if route[1] in {"/", "/invoices"} else ()
    for query in ("", "?account_id=theirs", *searches):
        for account, others in (("mine", THEIRS), ("nobody", MINE), ("nobody", THEIRS)):
            answer = await client.get(f"{route[1]}{query}", headers=issuer.bearer(account))
            assert answer.status_code == 200
            assert others not in answer.text
    both, everything = [
        await client.get(route[1], headers=issuer.bearer(*accounts)) for accounts in (("mine", "theirs"), ("*",))
    ]
    # A page says from where on it follows changes, once the api has found out.
    assert SINCE.sub("", both.text) == SINCE.sub("", everything.text)


async def test_lists_of_several_accounts_are_in_the_order_of_all(addresses: Addresses, issuer: TokenIssuer) -> None:
    accounts = ("a", "b", "c", "d")
    numbers = [f"263100000000000000{index:02d}" for index in range(12)]
    project(addresses, *([invoice(one, account=accounts[at % 4], day=at + 1)] for at, one in enumerate(numbers)))
    async with serving(addresses, Access(LOOPBACK_NAMES, issuer.issuer)) as client:
        headers = issuer.bearer("a", "b", "d")
        shown, cursor = [], ""
        while cursor is not None:
            page = (await client.get(f"/invoices?limit=2&cursor={cursor}", headers=headers)).json()
            shown += [item["invoice_number"] for item in page["items"]]
            cursor = page.get("next_cursor")
        assert shown == [one for at, one in reversed(list(enumerate(numbers))) if at % 4 != 2]
        charges = (await client.get("/charges?limit=100", headers=headers)).json()["items"]
        assert [one["invoice_number"] for one in charges] == list(reversed(shown))


@pytest.mark.parametrize("route", sorted(OF_A_FORM))
async def test_another_accounts_form_is_an_unknown_one(
    client: httpx.AsyncClient, issuer: TokenIssuer, route: tuple[str, str]
) -> None:
    client.headers.update(issuer.bearer("mine"))
    theirs, unknown = await ask(client, route, number=facts.FORM), await ask(client, route, number=UNKNOWN_FORM)
    assert told(theirs) == told(unknown)
    client.headers.update(issuer.bearer("theirs"))
    assert (await ask(client, route, number=facts.FORM)).status_code == 200


@pytest.mark.parametrize("route", sorted(OF_A_COMMAND))
async def test_another_accounts_command_is_an_unknown_one(
    client: httpx.AsyncClient, issuer: TokenIssuer, route: tuple[str, str]
) -> None:
    client.headers.update(issuer.bearer("mine"))
    unknown = await ask(client, route, command_id="nobody's")
    assert unknown.status_code == 404
    for query in ("", "?account_id=theirs", "?source=urn:redletter:api:theirs", "?source=urn:portal"):
        assert told(await client.get(f"/commands/theirs{query}")) == told(unknown)
    assert (await ask(client, route, command_id="mine")).status_code == 200
    client.headers.update(issuer.bearer("*"))
    assert (await ask(client, route, command_id="theirs")).status_code == 200


async def test_of_many_returns_those_of_another_account_are_unknown(
    client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    items = [{"invoice_number": number, "command_id": number} | RETURN for number in (THEIRS, UNKNOWN)]
    answer = await client.post("/returns", json={"items": items}, headers=issuer.bearer("mine"))
    assert [item["problem"]["code"] for item in answer.json()["items"]] == ["INVOICE_NOT_FOUND"] * 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_selected_invoices_of_another_account_are_unknown(
    client: httpx.AsyncClient, issuer: TokenIssuer, method: str
) -> None:
    client.headers.update(issuer.bearer("mine"))
    shown = []
    for number in (THEIRS, UNKNOWN):
        selected = {"number": number, "posting_status": "recorded", "beside": number, "key": "k"}
        asking = (
            client.get("/return-selected", params={"number": number})
            if method == "GET"
            else client.post("/return-selected", data=selected)
        )
        status, text, _ = told(await asking, number)
        shown.append((status, SINCE.sub("", text)))
    assert shown[0] == shown[1]
    assert shown[0][0] == 200


async def test_accounts_are_suggested_to_whoever_may_see_them(client: httpx.AsyncClient, issuer: TokenIssuer) -> None:
    for bearer, suggested in (("mine", ["mine"]), ("others", ["others"]), ("*", ["mine", "theirs"])):
        answer = await client.get("/accounts", headers=issuer.bearer(bearer) | {"X-Fragment": "1"})
        assert re.findall('value="([^"]*)"', answer.text) == suggested


async def test_an_operator_sees_the_history_of_every_invoice_and_nothing_else_of_it(
    client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    client.headers.update(issuer.bearer("mine", roles=("operator",)))
    for route in sorted(OF_ONE_INVOICE):
        answer = await ask(client, route, number=THEIRS)
        assert (answer.status_code == 200) == route[1].endswith("/history"), route
    assert (await client.get("/operations")).status_code == 200
    assert (await client.get("/metrics")).status_code == 200
