"""What a passive scanner, such as OWASP's ZAP, looks at in every answer: headers, cookies, and what gives us away."""

import re
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.web.support.token_issuer import TokenIssuer, token_issuer
from transport.addresses import Addresses
from web import app as api
from web.http.identity import Access
from web.http.login_flow import PageClient

NOWHERE = Addresses("127.0.0.1:1", "postgresql://nobody:nothing@127.0.0.1:1/none?connect_timeout=1")
OVER_TLS = "https://invoices.example"
PATHS = (
    *("/livez", "/login", "/logged-out", "/static/page.css", "/static/page.js", "/static/none.js", "/nowhere"),
    *("/docs", "/redoc", "/openapi.json", "/asyncapi", "/asyncapi.json", "/schemas/RequestReturn.v1.json"),
    *(
        "/invoices?limit=0",
        "/invoices/1/status",
        "/logout",
        "//evil.example/",
        "/%2e%2e/etc/passwd",
        "/login?wanted=//x",
    ),
)
TELLING = ("server", "x-powered-by", "x-runtime", "x-aspnet-version", "via", "access-control-allow-origin")
FOREIGN = re.compile(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//(?!invoices\.example)""")


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


@pytest.fixture(params=[OVER_TLS, "http://localhost"])
async def client(issuer: TokenIssuer, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    app = api.build(
        NOWHERE, access=Access(frozenset({"localhost", "invoices.example"}), issuer.issuer, PageClient("p", "s"))
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=request.param) as client:
        yield client


async def test_no_answer_gives_anything_away_or_lets_a_browser_do_harm(
    client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    operator, origin = issuer.bearer("*", roles=("operator",)), str(client.base_url).rstrip("/")
    assert (await client.get("/docs", headers=operator)).status_code == 200
    for path in PATHS:
        for headers in ({}, operator, {"Accept": "text/html"}, {"Accept": "text/html", **operator}):
            answer = await client.get(httpx.URL(f"{origin}{path}"), headers=headers)
            harmless(answer)
            confidential(answer, over_tls=client.base_url.scheme == "https")


def harmless(answer: httpx.Response) -> None:
    told = answer.headers
    assert told["x-content-type-options"] == "nosniff", answer.url
    assert told["cross-origin-resource-policy"] == "same-origin"
    assert told["referrer-policy"] in {"same-origin", "no-referrer"}
    policy = told["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert not set(TELLING) & set(told)
    if told.get("content-type", "").startswith("text/html"):
        assert "charset=utf-8" in told["content-type"]
        assert not FOREIGN.search(answer.text), answer.url
    if answer.has_redirect_location:
        assert not told["location"].startswith(("//", "/\\"))
    assert not re.search(r"Traceback|psycopg|site-packages|nothing@|/tmp/", answer.text)


def confidential(answer: httpx.Response, *, over_tls: bool) -> None:
    told = answer.headers
    assert ("strict-transport-security" in told) == over_tls
    if "/static/" not in str(answer.url):
        assert re.search(r"no-store|private|no-cache", told["cache-control"]), answer.url
    for cookie in told.get_list("set-cookie"):
        assert "HttpOnly" in cookie or cookie.startswith(("language=", "zone="))
        assert re.search(r"SameSite=(lax|strict)", cookie, re.IGNORECASE)
        if over_tls:
            assert "Secure" in cookie
