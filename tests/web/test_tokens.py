"""Which tokens count: those that the issuer signed for this api, until they expire."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from tests.web.support.token_issuer import TokenIssuer, token_issuer
from web.http import issuer_documents
from web.http.issuer_documents import Discovered, Issuer, IssuerDocuments, IssuerUnavailable
from web.http.tokens import CLOCK_SKEW, TokenRefused, Tokens


class FromNow(int):
    """A time, as seconds from the moment of its use: parameters are made long before their test runs."""

    def __call__(self) -> int:
        """Return it in seconds of the epoch."""
        return int(time.time()) + self


def at_once(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value() if isinstance(value, FromNow) else value for name, value in claims.items()}


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


def tokens_of(issuer: Issuer) -> Tokens:
    return Tokens(IssuerDocuments(issuer.url), issuer.audience)


def encoded(part: object) -> str:
    return written(json.dumps(part).encode())


def written(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


async def test_a_token_says_who_bears_it(issuer: TokenIssuer) -> None:
    claims = await tokens_of(issuer.issuer).claims(issuer.token("acme", roles=("operator",)))
    assert claims["sub"] == "portal"
    assert claims["redletter_accounts"] == ["acme"]
    assert claims["redletter_roles"] == ["operator"]


@pytest.mark.parametrize(
    ("but", "reason"),
    [
        ({"exp": FromNow(-CLOCK_SKEW - 1)}, "has expired"),
        ({"exp": None}, "claim exp"),
        ({"exp": "tomorrow"}, "claim exp"),
        ({"nbf": FromNow(CLOCK_SKEW + 30)}, "claim nbf"),
        ({"aud": "https://other.example"}, "claim aud"),
        ({"aud": None}, "claim aud"),
        ({"iss": "https://other.example"}, "claim iss"),
        ({"iss": None}, "claim iss"),
        ({"sub": None}, "claim sub"),
        ({"header": {"typ": "logout+jwt"}}, "not an access token"),
        ({"header": {"kid": "unknown"}}, "does not publish"),
    ],
)
async def test_a_token_that_is_not_for_this_api_or_not_for_now_is_refused(
    issuer: TokenIssuer, but: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TokenRefused, match=reason):
        await tokens_of(issuer.issuer).claims(issuer.token("acme", **at_once(but)))


@pytest.mark.parametrize("but", [{"exp": FromNow(30 - CLOCK_SKEW)}, {"nbf": FromNow(CLOCK_SKEW - 30)}])
async def test_clocks_may_differ_a_little(issuer: TokenIssuer, but: dict[str, Any]) -> None:
    assert await tokens_of(issuer.issuer).claims(issuer.token("acme", **at_once(but)))


@pytest.mark.parametrize("audience", [["https://other.example", "https://redletter.example"]])
async def test_a_token_may_be_for_others_too(issuer: TokenIssuer, audience: list[str]) -> None:
    assert await tokens_of(issuer.issuer).claims(issuer.token("acme", aud=audience))


async def test_a_token_that_nobody_signed_is_refused(issuer: TokenIssuer) -> None:
    claims = encoded({"iss": issuer.url, "aud": issuer.issuer.audience, "sub": "portal", "exp": FromNow(300)()})
    for header in ({"alg": "none"}, {"alg": "none", "kid": issuer.key.kid}, {"alg": "ES256", "kid": issuer.key.kid}):
        with pytest.raises(TokenRefused):
            await tokens_of(issuer.issuer).claims(f"{encoded(header)}.{claims}.")


async def test_a_token_that_is_signed_with_the_public_key_as_a_secret_is_refused(issuer: TokenIssuer) -> None:
    key = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
    issuer.published = {"keys": [key.as_dict(private=False)]}
    claims = {"iss": issuer.url, "aud": issuer.issuer.audience, "sub": "portal", "exp": FromNow(300)()}
    signed = f"{encoded({'alg': 'HS256', 'kid': key.kid})}.{encoded(claims)}"
    for secret in (key.as_bytes("PEM", private=False), key.as_bytes("DER", private=False)):
        signature = hmac.digest(secret, signed.encode(), "sha256")
        with pytest.raises(TokenRefused, match="accepted algorithm"):
            await tokens_of(issuer.issuer).claims(f"{signed}.{written(signature)}")


async def test_a_secret_that_an_issuer_publishes_verifies_nothing(issuer: TokenIssuer) -> None:
    secret = OctKey.generate_key(256, {"kid": "secret"})
    issuer.published = {"keys": [*issuer.published["keys"], secret.as_dict(private=True)]}
    claims = {"iss": issuer.url, "aud": issuer.issuer.audience, "sub": "portal", "exp": FromNow(300)()}
    with pytest.raises(TokenRefused):
        await tokens_of(issuer.issuer).claims(jwt.encode({"alg": "HS256", "kid": "secret"}, claims, secret))


async def test_a_token_of_another_issuer_that_names_this_one_is_refused(issuer: TokenIssuer) -> None:
    forger = TokenIssuer(issuer.url)
    with pytest.raises(TokenRefused, match="does not publish"):
        await tokens_of(issuer.issuer).claims(forger.token("acme"))
    forger.key = ECKey.generate_key("P-256", {"kid": str(issuer.key.kid)})
    with pytest.raises(TokenRefused, match="not signed"):
        await tokens_of(issuer.issuer).claims(forger.token("acme"))


async def test_a_new_key_counts_at_once_and_a_withdrawn_one_no_longer(
    issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_documents, "RENEWAL_PAUSE", 0.0)
    tokens, old = tokens_of(issuer.issuer), issuer.token("acme")
    assert await tokens.claims(old)
    issuer.rotate()
    assert await tokens.claims(issuer.token("acme"))
    with pytest.raises(TokenRefused, match="does not publish"):
        await tokens.claims(old)


async def test_keys_are_fetched_again_after_a_while(issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, old = tokens_of(issuer.issuer), issuer.token("acme")
    assert await tokens.claims(old)
    issuer.rotate()
    monkeypatch.setattr(issuer_documents, "RENEWAL_PAUSE", 0.0)
    monkeypatch.setattr(issuer_documents, "RENEWED_AFTER", -1.0)
    with pytest.raises(TokenRefused, match="does not publish"):
        await tokens.claims(old)
    assert await tokens.claims(issuer.token("acme"))


async def test_keys_that_could_not_be_fetched_again_are_fetched_soon_after(
    issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(issuer_documents, "time", SimpleNamespace(monotonic=lambda: now))
    tokens, old = tokens_of(issuer.issuer), issuer.token("acme")
    assert await tokens.claims(old)
    issuer.published = {"keys": "none today"}
    now += issuer_documents.RENEWED_AFTER + 1
    assert await tokens.claims(old)
    issuer.rotate()
    now += issuer_documents.RENEWAL_PAUSE + 1
    with pytest.raises(TokenRefused, match="does not publish"):
        await tokens.claims(old)


async def test_an_issuer_that_hangs_holds_up_nobody_whose_key_is_known(
    issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, token = tokens_of(issuer.issuer), issuer.token("acme")
    assert await tokens.claims(token)
    goes_on = threading.Event()
    monkeypatch.setattr(issuer_documents, "_fetched", lambda _: goes_on.wait(60))
    monkeypatch.setattr(issuer_documents, "RENEWAL_PAUSE", 0.0)
    monkeypatch.setattr(issuer_documents, "RENEWED_AFTER", -1.0)
    monkeypatch.setattr(issuer_documents, "_RENEWED_WITHIN", 0.05)
    began = time.monotonic()
    assert await tokens.claims(token)
    assert time.monotonic() - began < 30
    goes_on.set()


async def test_invented_key_ids_do_not_become_requests_to_the_issuer(issuer: TokenIssuer) -> None:
    tokens = tokens_of(issuer.issuer)
    for number in range(50):
        with pytest.raises(TokenRefused):
            await tokens.claims(issuer.token("acme", header={"kid": str(number)}))
    assert issuer.fetched == 1


async def test_known_keys_count_while_the_issuer_is_away_and_nothing_does_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with token_issuer() as issuer:
        tokens, token = tokens_of(issuer.issuer), issuer.token("acme")
        await tokens.claims(token)
    monkeypatch.setattr(issuer_documents, "RENEWAL_PAUSE", 0.0)
    with pytest.raises(TokenRefused):
        await tokens.claims(issuer.token("acme", header={"kid": "new"}))
    assert await tokens.claims(token)
    with pytest.raises(IssuerUnavailable):
        await tokens_of(issuer.issuer).claims(token)


async def test_an_issuer_that_calls_itself_otherwise_is_not_believed(issuer: TokenIssuer) -> None:
    with pytest.raises(IssuerUnavailable):
        await tokens_of(Issuer(f"{issuer.url}/", issuer.issuer.audience)).claims(issuer.token("acme"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "x5c", "zip", "enc"]), _JSON)


@given(
    token=st.text(alphabet="abcXYZ019-_.~+/=", max_size=80)
    | st.builds(lambda header, claims: f"{encoded(header)}.{encoded(claims)}.c2ln", _HEADERS | _JSON, _JSON)
    | st.just(f"{written(b'[' * 9_000)}.e30.c2ln")
    | st.just(f"{written(b'9' * 9_000)}.e30.c2ln")
)
async def test_whatever_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenRefused):
        await _TOKENS.claims(token)


class _Known(IssuerDocuments):
    """Documents of an issuer that are at hand."""

    async def known(self) -> Discovered:
        return _DISCOVERED

    newest = known


_DISCOVERED = Discovered(
    {}, KeySet([ECKey.generate_key("P-256", {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "2"})])
)
_TOKENS = Tokens(_Known("https://login.example"), "https://redletter.example")
