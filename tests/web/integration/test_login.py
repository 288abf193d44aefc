"""People log in to the page at a real OpenID provider, and log out again."""

from collections.abc import AsyncIterator, Iterator

import httpx
import psycopg
import pytest

from tests.projections.support.asked import invoice, project
from tests.web.support.openid_provider import PAGE, OpenIdProvider, openid_provider
from tests.web.support.serving import problem, serving
from transport.addresses import Addresses
from web.http.identity import Access
from web.http.login_flow import PageClient

MINE, THEIRS = "26310000000000000001", "26310000000000000002"
AS_BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
async def browser(tables: Addresses, provider: OpenIdProvider) -> AsyncIterator[httpx.AsyncClient]:
    """Return a browser that has been nowhere, of an api that knows an invoice of each of two accounts."""
    project(tables, [invoice(MINE, account="mine")], [invoice(THEIRS, account="theirs")])
    access = Access(frozenset({"invoices.example"}), provider.issuer, PageClient("page", "secret"))
    async with serving(tables, access) as browser:
        browser.base_url = httpx.URL(PAGE)
        browser.headers.update(AS_BROWSER)
        yield browser


async def log_in(browser: httpx.AsyncClient, provider: OpenIdProvider, who: str, wanted: str = "/") -> httpx.Response:
    """Go to a page, log in at the provider on the way, and return the answer that leads there."""
    to_login = await browser.get(wanted)
    assert to_login.status_code == 303
    to_provider = await browser.get(to_login.headers["location"])
    return await browser.get(await provider.log_in(to_provider.headers["location"], who))


async def test_a_person_logs_in_and_sees_the_page_that_they_came_for(
    browser: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    answer = await log_in(browser, provider, "ann", f"/details/{MINE}?lang=en")
    assert answer.headers["location"] == f"/details/{MINE}?lang=en"
    page = await browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert MINE in page.text
    assert "Ann Li" in page.text


async def test_a_person_sees_their_accounts_alone(browser: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    await log_in(browser, provider, "ann")
    listed = await browser.get("/")
    assert (MINE in listed.text, THEIRS in listed.text) == (True, False)
    assert [one["invoice_number"] for one in (await browser.get("/invoices")).json()["items"]] == [MINE]
    theirs = await browser.get(f"/details/{THEIRS}")
    assert (theirs.status_code, "Invoice not found" in theirs.text) == (404, True)


async def test_operations_are_for_people_with_that_role(browser: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    await log_in(browser, provider, "ann")
    board = await browser.get("/board")
    assert (board.status_code, "This page is for operators" in board.text) == (403, True)
    assert 'href="/board"' not in (await browser.get("/")).text
    browser.cookies.clear()
    await log_in(browser, provider, "bo")
    assert (await browser.get("/board")).status_code == 200
    assert 'href="/board"' in (await browser.get("/")).text


async def test_the_cookie_is_for_this_host_over_tls_alone_and_no_script_reads_it(
    browser: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    answer = await log_in(browser, provider, "ann")
    given = [one for one in answer.headers.get_list("set-cookie") if "session" in one]
    (session,) = given
    name, *attributes = [part.split("=")[0] for part in session.split("; ")]
    assert name == "__Host-redletter-session"
    assert sorted(attributes) == ["HttpOnly", "Path", "SameSite", "Secure"]
    assert "SameSite=lax" in session


async def test_the_table_of_sessions_holds_nobodys_secret(
    browser: httpx.AsyncClient, provider: OpenIdProvider, tables: Addresses
) -> None:
    await log_in(browser, provider, "ann")
    with psycopg.connect(tables.database) as connection:
        stored = str(connection.execute("select * from redletter.sessions").fetchall())
    assert "ann" in stored
    assert browser.cookies["__Host-redletter-session"] not in stored


async def test_logging_out_ends_the_session_wherever_its_cookie_is(
    browser: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    await log_in(browser, provider, "ann")
    kept = dict(browser.cookies)
    answer = await browser.post("/logout", headers={"Origin": PAGE, "Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/logged-out")
    assert "__Host-redletter-session" not in browser.cookies
    page = await browser.get("/logged-out")
    assert f"{provider.issuer.url}/session/end?client_id=page" in page.text
    browser.cookies.update(kept)
    assert (await browser.get("/")).headers["location"] == "/login?wanted=%2F"
    assert problem(await browser.get("/invoices", headers={"Accept": "application/json"})) == (401, "UNAUTHENTICATED")


async def test_a_session_ends_by_itself(
    browser: httpx.AsyncClient, provider: OpenIdProvider, tables: Addresses
) -> None:
    await log_in(browser, provider, "ann")
    with psycopg.connect(tables.database) as connection:
        connection.execute("update redletter.sessions set expires_at = now() - interval '1 second'")
    assert (await browser.get("/")).status_code == 303
    await log_in(browser, provider, "bo")
    with psycopg.connect(tables.database) as connection:
        assert connection.execute("select claims ->> 'sub' from redletter.sessions").fetchall() == [("bo",)]


async def test_logging_in_again_ends_the_session_that_the_browser_had(
    browser: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    await log_in(browser, provider, "ann")
    before = dict(browser.cookies)
    to_provider = await browser.get("/login")
    await browser.get(await provider.log_in(to_provider.headers["location"], "ann"))
    assert (await browser.get("/")).status_code == 200
    browser.cookies.clear()
    browser.cookies.update(before)
    assert (await browser.get("/")).headers["location"] == "/login?wanted=%2F"


async def test_another_site_logs_nobody_out(browser: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    await log_in(browser, provider, "ann")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = await browser.post("/logout", headers={"Accept": "application/json"} | headers)
        assert problem(answer) == (403, "CROSS_SITE_REQUEST")
    assert (await browser.get("/")).status_code == 200


async def test_the_answer_of_the_provider_counts_once_and_in_the_browser_that_asked(
    browser: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    to_provider = await browser.get("/login")
    back = await provider.log_in(to_provider.headers["location"], "ann")
    asked = dict(browser.cookies)
    browser.cookies.clear()
    elsewhere = await browser.get(back)
    assert (elsewhere.status_code, "You are not logged in" in elsewhere.text) == (403, True)
    browser.cookies.update(asked)
    assert (await browser.get(back)).status_code == 303
    browser.cookies.clear()
    browser.cookies.update(asked)
    assert (await browser.get(back)).status_code == 403
    assert "__Host-redletter-session" not in browser.cookies


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example"])
async def test_logging_in_leads_to_no_other_host(
    browser: httpx.AsyncClient, provider: OpenIdProvider, wanted: str
) -> None:
    to_provider = await browser.get("/login", params={"wanted": wanted})
    answer = await browser.get(await provider.log_in(to_provider.headers["location"], "ann"))
    led_to = httpx.URL(PAGE).join(answer.headers["location"])
    assert led_to.host == "invoices.example"


async def test_a_program_with_a_token_needs_no_session(browser: httpx.AsyncClient, provider: OpenIdProvider) -> None:
    await log_in(browser, provider, "bo")
    listed = await browser.get("/invoices", headers=provider.bearer("portal"))
    assert [one["invoice_number"] for one in listed.json()["items"]] == [MINE]
    refused = await browser.get("/invoices", headers={"Authorization": "Bearer a.b.c", "Accept": "application/json"})
    assert problem(refused) == (401, "UNAUTHENTICATED")
