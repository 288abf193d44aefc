"""Who is let in: for which host, with which token, and to which routes. Nothing here reaches a server of ours."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.web.support.routes import FOR_CALLERS, OPEN, routes_of
from tests.web.support.serving import problem
from tests.web.support.token_issuer import TokenIssuer, token_issuer
from transport.addresses import Addresses
from web import app as api
from web.http.identity import Access, refusals
from web.http.issuer_documents import Issuer
from web.http.login_flow import PageClient

NOWHERE = Addresses("127.0.0.1:1", "postgresql://nobody:nothing@127.0.0.1:1/none?connect_timeout=1")
PAGE = PageClient("page", "secret")
HOSTS = frozenset({"localhost", "invoices.example", "[::1]"})


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture(scope="module")
def app(issuer: TokenIssuer) -> FastAPI:
    return api.build(NOWHERE, access=Access(HOSTS, issuer.issuer, PAGE))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


ROUTES = sorted(set(routes_of(api.build(NOWHERE, access=Access(HOSTS, Issuer("https://login.example", "a"), PAGE)))))


def filled_in(path: str) -> str:
    return path.replace("{number}", "2" * 20).replace("{command_id:path}", "c1")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_is_open_but_those_that_say_nothing_of_invoices(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    if (method, path) in OPEN:
        assert "www-authenticate" not in (await client.request(method, path)).headers
        return
    for asked in (method, "PUT", "OPTIONS"):
        answer = await client.request(asked, filled_in(path))
        assert problem(answer) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == 'Bearer realm="redletter"'


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route not in FOR_CALLERS | OPEN])
async def test_a_route_that_is_not_for_callers_is_for_operators(
    client: httpx.AsyncClient, issuer: TokenIssuer, method: str, path: str
) -> None:
    answer = await client.request(method, filled_in(path), headers=issuer.bearer("*"))
    assert problem(answer) == (403, "OPERATORS_ONLY")
    assert "insufficient_scope" in answer.headers["www-authenticate"]
    answer = await client.request(method, filled_in(path), headers=issuer.bearer(roles=("operator",)))
    assert answer.status_code not in {401, 403}


@pytest.mark.parametrize(
    "path", ["http://localhost//operations", "/operations/", "/%6fperations", "/nowhere", "/returns/../operations"]
)
async def test_no_spelling_leads_around(client: httpx.AsyncClient, issuer: TokenIssuer, path: str) -> None:
    for headers in ({}, issuer.bearer("acme")):
        assert (await client.get(path, headers=headers)).status_code in {401, 403, 404}


def test_every_route_for_callers_is_known_to_keep_to_their_accounts() -> None:
    assert set(ROUTES) >= FOR_CALLERS


@pytest.mark.parametrize(("method", "path"), sorted(FOR_CALLERS))
def test_a_route_for_callers_is_not_for_operators_alone(method: str, path: str) -> None:
    assert "OPERATORS_ONLY" not in {one.code for one in refusals(method, filled_in(path), asked=True)}


async def test_returns_without_a_good_key_are_refused_before_anything_is_looked_up() -> None:
    async with client_of(api.build(NOWHERE)) as client:
        for key in ({}, {"key": ""}, {"key": " "}):
            answer = await client.post("/return-selected", data={"number": "2" * 20, "posting_status": "unknown"} | key)
            assert (answer.status_code, "MALFORMED_COMMAND" in answer.text) == (422, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic cG9ydGFsOnNlY3JldA=="},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a b"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": ""},
        {"Cookie": "token=a.b.c"},
    ],
)
async def test_what_is_no_token_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get("/invoices", headers=headers)
    assert problem(answer) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_a_token_in_the_address_is_refused_even_beside_a_good_one(
    client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    for headers in ({}, issuer.bearer("acme")):
        answer = await client.get("/asyncapi", params={"access_token": issuer.token("acme")}, headers=headers)
        assert problem(answer) == (401, "UNAUTHENTICATED")
        assert issuer.token("acme") not in answer.text


async def test_two_tokens_are_refused(client: httpx.AsyncClient, issuer: TokenIssuer) -> None:
    both = [("Authorization", f"Bearer {issuer.token('acme')}"), ("Authorization", f"Bearer {issuer.token('other')}")]
    assert problem(await client.get("/asyncapi", headers=both)) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("but", "reason"),
    [
        ({"exp": int(time.time()) - 3600}, "The token has expired."),
        ({"aud": "another"}, "The token lacks the right claim aud."),
        ({"sub": "x" * 129}, "The token lacks the right claim sub."),
        ({"sub": "line\nbreak"}, "The token lacks the right claim sub."),
        ({"redletter_accounts": "acme"}, "The token lacks the right claim redletter_accounts."),
        ({"redletter_accounts": [1]}, "The token lacks the right claim redletter_accounts."),
        ({"redletter_roles": {"operator": True}}, "The token lacks the right claim redletter_roles."),
    ],
)
async def test_the_answer_says_what_is_wrong_with_a_token(
    client: httpx.AsyncClient, issuer: TokenIssuer, but: dict[str, Any], reason: str
) -> None:
    answer = await client.get("/asyncapi", headers=issuer.bearer(**but))
    assert problem(answer) == (401, "UNAUTHENTICATED")
    assert answer.json()["detail"] == reason
    assert f'error="invalid_token", error_description="{reason}"' in answer.headers["www-authenticate"]


async def test_who_asks_is_unknown_while_the_issuer_cannot_be_asked() -> None:
    async with client_of(api.build(NOWHERE, access=Access(HOSTS, Issuer("http://127.0.0.1:1", "a")))) as client:
        answer = await client.get("/asyncapi", headers={"Authorization": "Bearer a.b.c"})
        assert problem(answer) == (503, "ISSUER_UNAVAILABLE")


async def test_whoever_looks_for_a_page_is_led_to_the_login_and_back(client: httpx.AsyncClient) -> None:
    as_browser = {"Accept": "text/html,application/xhtml+xml"}
    answer = await client.get("/details/1?lang=zh&x=1", headers=as_browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?wanted=%2Fdetails%2F1%3Flang%3Dzh%26x%3D1")
    assert problem(await client.post("/returns", headers=as_browser)) == (401, "UNAUTHENTICATED")
    without_login = Access(HOSTS, Issuer("https://login.example", "a"))
    async with client_of(api.build(NOWHERE, access=without_login)) as other:
        answer = await other.get("/", headers=as_browser)
        assert problem(answer) == (401, "UNAUTHENTICATED")
        assert "www-authenticate" in answer.headers
        assert (await other.get("/login", headers=as_browser)).status_code == 404


async def test_no_session_is_looked_up_for_a_program(client: httpx.AsyncClient, issuer: TokenIssuer) -> None:
    cookie = {"Cookie": "redletter-session=stolen"}
    assert problem(await client.get("/asyncapi", headers=cookie)) == (503, "READ_MODEL_UNAVAILABLE")
    assert (await client.get("/asyncapi", headers=cookie | issuer.bearer("acme"))).status_code == 200


async def test_over_tls_only_a_cookie_of_this_host_counts(client: httpx.AsyncClient) -> None:
    for url in ("https://localhost/asyncapi", "http://invoices.example/asyncapi"):
        for name, looked_up in (("redletter-session", False), ("__Host-redletter-session", True)):
            answer = await client.get(url, headers={"Cookie": f"{name}=stolen"})
            assert problem(answer) == ((503, "READ_MODEL_UNAVAILABLE") if looked_up else (401, "UNAUTHENTICATED"))


@pytest.mark.parametrize("path", ["/invoices", "/charges", "/returns", "/"])
async def test_a_malformed_cursor_is_refused_before_anything_is_looked_up(path: str) -> None:
    async with client_of(api.build(NOWHERE)) as client:
        assert (await client.get(path, params={"cursor": "x"})).status_code == 422


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "invoices.example", "invoices.example.", "[::1]:80"])
async def test_the_api_answers_for_its_own_hosts(host: str) -> None:
    async with client_of(api.build(NOWHERE, access=Access(HOSTS))) as client:
        assert (await client.get("/livez", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "", "[::1", "::1"]
)
async def test_the_api_answers_for_no_other_host(client: httpx.AsyncClient, issuer: TokenIssuer, host: str) -> None:
    for path in ("/livez", "/asyncapi"):
        answer = await client.get(path, headers={"Host": host} | issuer.bearer("acme"))
        assert problem(answer) == (421, "HOST_NOT_SERVED")


async def test_without_an_issuer_nobody_is_asked() -> None:
    async with client_of(api.build(NOWHERE, access=Access())) as client:
        assert (await client.get("/asyncapi")).status_code == 200
        assert (await client.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_no_page_of_another_site_gives_a_command(site: str) -> None:
    async with client_of(api.build(NOWHERE)) as client:
        for path in (f"/invoices/{'2' * 20}/return", f"/return/{'2' * 20}", "/returns"):
            answer = await client.post(path, headers={"Sec-Fetch-Site": site}, content=b"{}")
            assert problem(answer) == (403, "CROSS_SITE_REQUEST")
        assert (await client.get("/asyncapi", headers={"Sec-Fetch-Site": site})).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:81", "localhost", "http://[::1", ""]
)
async def test_no_page_of_another_origin_gives_a_command_in_an_older_browser(origin: str) -> None:
    async with client_of(api.build(NOWHERE)) as client:
        answer = await client.post("/returns", headers={"Origin": origin}, content=b"{}")
        assert problem(answer) == (403, "CROSS_SITE_REQUEST")


@pytest.mark.parametrize("site", ["same-origin", "none", None])
async def test_our_own_pages_and_programs_give_commands(site: str | None) -> None:
    headers = {"Sec-Fetch-Site": site, "Origin": "http://localhost"} if site else {}
    async with client_of(api.build(NOWHERE)) as client:
        answer = await client.post("/returns", headers=headers, content=b"{}")
        assert problem(answer) == (422, "MALFORMED_COMMAND")


async def test_every_answer_tells_a_browser_what_it_must_not_do(client: httpx.AsyncClient) -> None:
    for path in ("/livez", "/invoices", "/nowhere", "/docs"):
        headers = (await client.get(path)).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
    for told in ("https://localhost/livez", "http://invoices.example/livez"):  # behind a proxy with TLS
        assert "strict-transport-security" in (await client.get(told)).headers


async def test_a_caller_who_asks_too_often_is_told_when_to_go_on_and_harms_no_other(issuer: TokenIssuer) -> None:
    app = api.build(NOWHERE, access=Access(HOSTS, issuer.issuer, PAGE, requests_per_minute=3))
    async with client_of(app) as client:
        # A minute that ends meanwhile lets one more through.
        answers = [await client.get("/asyncapi.json", headers=issuer.bearer(f"account-{n}")) for n in range(8)]
        assert [answer.status_code for answer in answers[:3]] == [200] * 3
        answer = next(answer for answer in answers if answer.status_code != 200)
        assert problem(answer) == (429, "TOO_MANY_REQUESTS")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert (await client.get("/asyncapi.json", headers=issuer.bearer("acme", sub="bo"))).status_code == 200
        assert (await client.get("/livez")).status_code == 200


async def test_where_nobody_is_asked_who_they_are_nobody_is_counted() -> None:
    async with client_of(api.build(NOWHERE, access=Access(HOSTS, requests_per_minute=1))) as client:
        assert [(await client.get("/asyncapi.json")).status_code for _ in range(3)] == [200] * 3
