"""Hostile requests, each with what must happen. No server of ours is reached: each is answered before that."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from tests.web.support.token_issuer import AUDIENCE, TokenIssuer, token_issuer
from transport.addresses import Addresses
from web import app as api
from web.http.identity import Access
from web.http.login_flow import PageClient

NOWHERE = Addresses("127.0.0.1:1", "postgresql://nobody:nothing@127.0.0.1:1/none?connect_timeout=1")
NUMBER = "26310000000000000001"
LONGEST_ANSWER = 80_000
"""Bytes: those of a hundred faults, as long as they get."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def app(issuer: TokenIssuer) -> FastAPI:
    access = Access(frozenset({"localhost", "invoices.example"}), issuer.issuer, PageClient("page", "secret"))
    return api.build(NOWHERE, access=access)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def refused(answer: httpx.Response, *statuses: int) -> None:
    """Check that a request was refused in this way, and that the answer gives nothing away and does no harm."""
    assert answer.status_code in statuses, answer.text[:500]
    assert len(answer.content) < LONGEST_ANSWER
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    for secret in ("Traceback", "psycopg", "site-packages", "nothing@", "<script>", "redletter-session"):
        assert secret not in answer.text


def part(value: object) -> str:
    return raw(value if isinstance(value, bytes) else json.dumps(value).encode())


def raw(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def changed(token: str, at: int, to: str) -> str:
    parts = token.split(".")
    parts[at] = to
    return ".".join(parts)


def of_an_hmac(issuer: TokenIssuer, algorithm: str, digest: str) -> str:
    """Return a token that is signed with the issuer's public key as if that were a secret."""
    signed = f"{part({'alg': algorithm, 'kid': issuer.key.kid})}.{issuer.token('acme').split('.')[1]}"
    return f"{signed}.{raw(hmac.digest(issuer.key.as_pem(private=False), signed.encode(), digest))}"


CLAIMS: Mapping[str, Mapping[str, Any]] = {
    "expired": {"exp": 1},
    "expires never": {"exp": None},
    "expires as text": {"exp": "never"},
    "expires in a list": {"exp": [2**40]},
    "expires at minus infinity": {"exp": -(2**62)},
    "is not valid yet": {"nbf": 2**40},
    "was issued in the future": {"iat": 2**40},
    "of another issuer": {"iss": "https://evil.example"},
    "of an issuer with a slash more": {"iss": "http://127.0.0.1/"},
    "of no issuer": {"iss": None},
    "of several issuers": {"iss": ["https://evil.example"]},
    "for another audience": {"aud": "https://evil.example"},
    "for other audiences": {"aud": ["page", f"{AUDIENCE}.evil.example"]},
    "for nobody": {"aud": None},
    "for no audience": {"aud": []},
    "for an audience as a number": {"aud": 1},
    "of nobody": {"sub": None},
    "of an empty subject": {"sub": ""},
    "of a subject with NUL": {"sub": "ann\x00"},
    "of a subject with an end of line": {"sub": "ann\nrole: operator"},
    "of a subject too long": {"sub": "a" * 10_000},
    "of a subject as a list": {"sub": ["ann"]},
    "of accounts as text": {"redletter_accounts": "*"},
    "of accounts as an object": {"redletter_accounts": {"*": True}},
    "of accounts in lists": {"redletter_accounts": [["*"]]},
    "of accounts as null in a list": {"redletter_accounts": [None]},
    "of roles as text": {"redletter_roles": "operator"},
    "of roles as a truth": {"redletter_roles": True},
    "of roles in lists": {"redletter_roles": [["operator"]]},
}
HEADERS: Mapping[str, Mapping[str, Any]] = {
    "a logout token": {"typ": "logout+jwt"},
    "an event token": {"typ": "secevent+jwt"},
    "a type as a list": {"typ": ["at+jwt"]},
    "a key id of a file": {"kid": "../../../../dev/null"},
    "a key id of a query": {"kid": "' or '1'='1"},
    "a key id too long": {"kid": "k" * 5_000},
    "a critical header": {"crit": ["exp"], "exp": 1},
    "an unencoded payload": {"b64": False, "crit": ["b64"]},
}


@pytest.mark.parametrize("how", CLAIMS)
async def test_a_token_whose_claims_are_wrong_counts_for_nothing(
    client: httpx.AsyncClient, issuer: TokenIssuer, how: str
) -> None:
    token = issuer.token("acme", **CLAIMS[how])
    refused(await client.get("/asyncapi", headers={"Authorization": f"Bearer {token}"}), 401)


@pytest.mark.parametrize("how", HEADERS)
async def test_a_token_whose_header_is_wrong_counts_for_nothing(
    client: httpx.AsyncClient, issuer: TokenIssuer, how: str
) -> None:
    header = {"alg": "ES256", "kid": issuer.key.kid} | dict(HEADERS[how])
    token = changed(issuer.token("acme"), 0, part(header))
    refused(await client.get("/asyncapi", headers={"Authorization": f"Bearer {token}"}), 401)


def forged(issuer: TokenIssuer) -> Iterator[tuple[str, str]]:
    """Yield tokens that somebody has made who has no key of the issuer, and what each tries."""
    good = issuer.token("acme")
    header, claims, signature = good.split(".")
    for algorithm in ("none", "None", "NONE", "nOnE", "", "HS256", "RS1", "ES256K", "dir", None, 0, [], {"a": 1}):
        yield f"algorithm {algorithm}", changed(changed(good, 0, part({"alg": algorithm})), 2, "")
    for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        yield f"{algorithm} with the public key", of_an_hmac(issuer, algorithm, digest)
    key = {"kty": "EC", "crv": "P-256", "x": raw(b"1" * 32), "y": raw(b"2" * 32)}
    for name, value in (("jwk", key), ("jku", "https://evil.example"), ("x5u", "https://evil.example"), ("x5c", ["x"])):
        yield f"a key in the header {name}", changed(good, 0, part({"alg": "ES256", name: value}))
    for what, size in (("nothing", 0), ("zeros", 64), ("too little", 63), ("too much", 65), ("far too much", 5_000)):
        yield f"a signature of {what}", changed(good, 2, raw(b"\x00" * size))
    yield "another account", changed(good, 1, part({"redletter_accounts": ["*"], "exp": time.time() + 60}))
    yield "a signature cut off", f"{header}.{claims}"
    yield "a signature twice", f"{good}.{signature}"
    yield (
        "an encrypted token",
        f"{part({'alg': 'dir', 'enc': 'A256GCM'})}..{raw(b'1' * 12)}.{raw(b'2')}.{raw(b'3' * 16)}",
    )
    yield "no header", f".{claims}.{signature}"
    yield "no claims", f"{header}..{signature}"
    yield "dots", ".."
    yield "a header that is no JSON", changed(good, 0, raw(b"{"))
    yield "a header that is no object", changed(good, 0, part(["ES256"]))
    yield "a header that is a number", changed(good, 0, part(1))
    yield "claims that are no object", changed(good, 1, part(["ann"]))
    yield "lists in lists", changed(good, 0, raw(b"[" * 5_000))
    yield "a number of 5,000 digits", changed(good, 0, raw(b"9" * 5_000))
    yield "padding", f"{header}==.{claims}.{signature}="
    yield "bytes that are no text", changed(good, 0, raw(b"\xff\xfe"))


def test_many_forgeries_are_tried(issuer: TokenIssuer) -> None:
    assert len(list(forged(issuer))) == FORGERIES


FORGERIES = 40


@pytest.mark.parametrize("index", range(FORGERIES))
async def test_a_forged_token_counts_for_nothing(client: httpx.AsyncClient, issuer: TokenIssuer, index: int) -> None:
    what, token = list(forged(issuer))[index]
    answer = await client.get("/asyncapi", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401, what
    refused(answer, 401)


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer  ",
            "bearer",
            "Basic YTpi",
            "Digest a=b",
            "Negotiate YQ==",
            "Token a.b.c",
        ),
        *(
            "Bearer a b",
            "Bearer a,Bearer b",
            "Bearer a;b",
            "Bearer <script>alert(1)</script>",
            "Bearer a\tb",
            "BearerX a",
        ),
        *("Bearer ' or 1=1 --", "Bearer ../../etc/passwd", "Bearer %00", "Bearer null", "Bearer undefined", "Bearer *"),
    ],
)
async def test_what_is_no_token_counts_for_nothing(client: httpx.AsyncClient, given: str) -> None:
    refused(await client.get("/asyncapi", headers={"Authorization": given}), 401)


@pytest.mark.parametrize("name", ["access_token", "token", "id_token", "jwt", "bearer", "Authorization"])
async def test_a_token_counts_in_no_other_place(client: httpx.AsyncClient, issuer: TokenIssuer, name: str) -> None:
    token = issuer.token("acme")
    refused(await client.get("/asyncapi", params={name: token}), 401)
    refused(await client.get("/asyncapi", headers={"Cookie": f"{name}={token}"}), 401)
    refused(await client.get("/asyncapi", headers={f"X-{name}": token}), 401)
    refused(await client.post("/returns", data={name: token}), 401)


async def test_what_is_refused_leaves_no_token_and_no_password_in_the_log(
    client: httpx.AsyncClient, issuer: TokenIssuer
) -> None:
    token = issuer.token("acme", aud="https://evil.example")
    with capture_logs() as logs:
        await client.get("/asyncapi", headers={"Authorization": f"Bearer {token}"})
        await client.get("/asyncapi", params={"access_token": token})
        await client.get("/asyncapi", headers={"Cookie": f"redletter-session={token}"})
    assert {entry["event"] for entry in logs} == {"request_not_let_in", "sessions_unavailable"}
    assert not any(part in repr(logs) for part in (*token.split("."), "nobody:nothing"))


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {name: "operator"}
            for name in ("X-Forwarded-User", "X-Remote-User", "X-Auth-Request-User", "X-User", "From")
        ),
        *({"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1;host=localhost"}),
        *({"X-Original-URL": "/livez"}, {"X-Rewrite-URL": "/livez"}, {"X-HTTP-Method-Override": "GET"}),
        *({"X-Forwarded-Host": "evil.example"}, {"X-Forwarded-Prefix": "/livez"}, {"X-Forwarded-Proto": "https"}),
    ],
)
async def test_no_header_of_a_proxy_makes_somebody_of_nobody(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    refused(await client.get("/operations", headers=headers), 401)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "evil.example:80", "localhost@evil.example", "localhost#evil", ""),
        *("localhost,evil.example", "evil.example/localhost", "127.0.0.1.nip.io", "2130706433", "0x7f.1"),
        *(
            "[::ffff:127.0.0.1]",
            "[::1",
            "::1",
            "localhost:80:80",
            "local host",
            "localhost..",
            ".localhost",
            "LOCALHOST\t.x",
        ),
    ],
)
async def test_no_other_host_is_answered_for(client: httpx.AsyncClient, issuer: TokenIssuer, host: str) -> None:
    for path in ("/livez", "/asyncapi", "/login"):
        refused(await client.get(path, headers={"Host": host} | issuer.bearer("*")), 421)


@pytest.mark.parametrize("path", ["/returns", f"/invoices/{NUMBER}/return", f"/return/{NUMBER}", "/logout"])
@pytest.mark.parametrize(
    "headers",
    [
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site")),
        *(
            {"Origin": origin}
            for origin in ("null", "", "https://evil.example", "http://localhost:81", "//localhost", "*")
        ),
        *(
            {"Origin": origin}
            for origin in ("http://localhost.evil.example", "http://localhost@evil.example", "file://")
        ),
    ],
)
async def test_no_page_of_others_gives_a_command(
    client: httpx.AsyncClient, issuer: TokenIssuer, headers: dict[str, str], path: str
) -> None:
    refused(await client.post(path, headers=headers | issuer.bearer("*"), content=b"{}"), 403)


@pytest.mark.parametrize(
    "path",
    [
        *("/operations/", "//operations", "/./operations", "/..;/operations", "/;/operations", "/operations;x=1"),
        *(
            "/%6fperations",
            "/operations%20",
            "/operations%00",
            "/operations%2f",
            "/OPERATIONS",
            "/operations/..%2flivez",
        ),
        *("/livez/../operations", "/livez%2f..%2foperations", "/static/../operations", "/static/..%2f..%2foperations"),
        *("/metrics", "/board", "/board/dead-letters", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"),
        *("/.env", "/.git/config", "/admin", "/server-status", "/actuator/env", "/phpinfo.php", "/debug/pprof"),
    ],
)
async def test_no_spelling_leads_who_is_no_operator_to_operations(
    client: httpx.AsyncClient, issuer: TokenIssuer, path: str
) -> None:
    answer = await client.get(httpx.URL(f"http://localhost{path}"), headers=issuer.bearer("*"))
    refused(answer, 403, 404)
    refused(await client.get(httpx.URL(f"http://localhost{path}")), 401, 404)


@pytest.mark.parametrize(
    "path",
    [
        *("../settings.py", "..%2f..%2fredletter%2fsettings.py", "%2e%2e/%2e%2e/etc/passwd", "....//....//etc/passwd"),
        *(
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "..\\..\\etc\\passwd",
            "page.css%00.js",
            "%c0%ae%c0%ae/etc/passwd",
        ),
    ],
)
async def test_only_the_looks_of_the_pages_are_served_as_files(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"http://localhost/static/{path}")
    assert answer.status_code in {401, 404}
    assert "root:" not in answer.text


class Asked(NamedTuple):
    """What is asked with a good token."""

    path: str
    body: bytes | None = None


DEEP = b"[" * 100_000
QUERIES = [
    *(
        f"/invoices?limit={limit}"
        for limit in ("0", "-1", "10001", "1e3", "9" * 400, "1;drop table x", "%00", "NaN", "１")
    ),
    *(f"/invoices?account_id={account}" for account in ("%00", "a" * 5_000, "a%0ab")),
    *(f"/invoices?{query}" for query in ("status=%27", "status=RETURNED", "limit=1&limit=2", "unknown=1", "q=%00")),
    *(
        f"/charges?{query}"
        for query in ("state=all", "limit=0", "cursor=x", "account_id=%00", "state=invoiced&state=x")
    ),
    *(f"/returns?{query}" for query in ("phase=x", "overdue=perhaps", "limit=0", "cursor=x", "account_id=%00")),
    *(f"/stream?{query}" for query in ("account_id=%00", "last_event_id=%00", "x=1", f"last_event_id={'9' * 5_000}")),
    *(
        f"/invoices/{NUMBER}/status?{query}"
        for query in ("as_of=now", "as_of=%00", "wait=31", "min_version=-1", "wait=nan")
    ),
    *(f"/invoices/{NUMBER}?{query}" for query in ("as_of=0000-00-00", "min_version=9999999999", "wait=-1", "wait=1e9")),
]
BODIES = [
    *(b"", b"{", b"null", b"[]", b"1", b'"text"', b"\xff\xfe", b"{}", DEEP, b'{"a":' * 50_000, b"NaN", b"\x00"),
    *(b'{"account_id": NaN}', b'{"account_id": "\\ud800"}', b'{"account_id": "a\\u0000"}', b'{"account_id": 1}'),
    *(b'{"account_id": "a", "account_id": "b"}', b'{"__proto__": {"operator": true}}', b'{"account_id": {"$ne": 1}}'),
    *(b'{"account_id": "a", "x": ' + b"9" * 20_000 + b"}", b'{"account_id": "' + b"a" * 20_000 + b'"}'),
    json.dumps({"account_id": "a", "y": {"k" * 20_000: ["\x00"] * 5_000}}).encode(),
    json.dumps({"account_id": "a"} | {f"k{index}": 1 for index in range(20_000)}).encode(),
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b'{"account_id": "a"}' + b" " * 300_000,
]


@pytest.mark.parametrize("path", QUERIES, ids=range(len(QUERIES)))
async def test_a_hostile_query_is_refused_before_the_database(
    client: httpx.AsyncClient, issuer: TokenIssuer, path: str
) -> None:
    refused(await client.get(path, headers=issuer.bearer("*")), 422)


@pytest.mark.parametrize("path", [f"/invoices/{NUMBER}/return", f"/invoices/{NUMBER}/reissue", "/returns"])
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_a_hostile_body_is_refused_before_kafka(
    client: httpx.AsyncClient, issuer: TokenIssuer, path: str, body: bytes
) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"} | issuer.bearer("*")
    started = time.perf_counter()
    refused(await client.post(path, headers=headers, content=body), 413, 422)
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("key", ["", "k" * 129, "k\u00e9", "a\x7f", " ", "\t"])
async def test_a_hostile_key_is_refused_before_kafka(client: httpx.AsyncClient, issuer: TokenIssuer, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode()), (b"Authorization", issuer.bearer("*")["Authorization"].encode())]
    refused(await client.post(f"/invoices/{NUMBER}/return", headers=headers, content=b'{"account_id": "a"}'), 422)


GONE = 'redletter-login-x=""; HttpOnly; Max-Age=0; Path=/; SameSite=lax'


@pytest.mark.parametrize(
    "query", ["", "state=x", "state=x&code=y", "error=access_denied&state=x", "state=%00&code=%00"]
)
@pytest.mark.parametrize("cookie", ["", "x", "e30=", "bnVsbA==", "W10=", "=" * 3_000])
async def test_nobody_logs_in_with_an_answer_that_nobody_asked_for(
    client: httpx.AsyncClient, query: str, cookie: str
) -> None:
    answer = await client.get(f"/login/callback?{query}", headers={"Cookie": f"redletter-login-x={cookie}"})
    refused(answer, 403)
    # At the most it forgets the cookie of this login.
    assert answer.headers.get("set-cookie", GONE) == GONE


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "FOO", "PROPFIND"])
async def test_no_other_method_is_answered(client: httpx.AsyncClient, issuer: TokenIssuer, method: str) -> None:
    for path in ("/invoices", f"/invoices/{NUMBER}/return", "/stream", "/operations"):
        refused(await client.request(method, path, headers=issuer.bearer("*", roles=("operator",))), 405)
