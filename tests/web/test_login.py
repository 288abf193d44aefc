"""What the addresses of the login do with whatever is in them, without a database."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.web.support.token_issuer import TokenIssuer, token_issuer
from transport.addresses import Addresses
from web import app as api
from web.http.identity import Access
from web.http.login_flow import PageClient

NOWHERE = Addresses("127.0.0.1:1", "postgresql://nobody:nothing@127.0.0.1:1/none?connect_timeout=1")


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


@pytest.fixture
async def browser(issuer: TokenIssuer) -> AsyncIterator[httpx.AsyncClient]:
    app = api.build(NOWHERE, access=Access(issuer=issuer.issuer, client=PageClient("page", "secret")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as browser:
        yield browser


async def begun(browser: httpx.AsyncClient, wanted: str = "/") -> str:
    """Begin to log in, and return the state of that login."""
    answer = await browser.get("/login", params={"wanted": wanted})
    return parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]


async def test_however_many_logins_begin_the_newest_are_kept_and_the_cookies_stay_small(
    browser: httpx.AsyncClient,
) -> None:
    states = [await begun(browser, wanted="/" + "x" * length) for length in (3000, 499, 3000, 499, 499, 3000, 499)]
    kept = dict(browser.cookies)
    assert list(kept) == [f"redletter-login-{state[:8]}" for state in states[-3:]]
    assert sum(len(name) + len(value) for name, value in kept.items()) < 4000


async def test_a_login_that_failed_leaves_no_cookie(browser: httpx.AsyncClient) -> None:
    state = await begun(browser)
    answer = await browser.get("/login/callback", params={"state": state, "error": "access_denied"})
    assert (answer.status_code, "You are not logged in" in answer.text) == (403, True)
    assert not browser.cookies


@pytest.mark.parametrize("state", ["", 'a"; b', "\r\nSet-Cookie: x=y", "发票"])
async def test_an_invented_state_is_a_login_that_failed(browser: httpx.AsyncClient, state: str) -> None:
    answer = await browser.get("/login/callback", params={"state": state})
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["_Context__self", "self", "path", "query"])
async def test_a_parameter_may_have_any_name(browser: httpx.AsyncClient, name: str) -> None:
    answer = await browser.get("/logged-out", params={name: "1"})
    assert answer.status_code == 200
    assert f'href="/logged-out?{name}=1&amp;lang=zh"' in answer.text
