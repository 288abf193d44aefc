"""Who has logged in is believed only if the provider says it, of this login, to this page."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.support.token_issuer import TokenIssuer, token_issuer
from web.http.issuer_documents import IssuerDocuments, IssuerUnavailable
from web.http.login_flow import LoginFailed, LoginFlow, PageClient, PendingLogin

CALLBACK = "https://invoices.example/login/callback"


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as issuer:
        yield issuer


@pytest.fixture
def flow(issuer: TokenIssuer) -> LoginFlow:
    return LoginFlow(IssuerDocuments(issuer.url), PageClient("page", "secret"))


async def begun(flow: LoginFlow) -> PendingLogin:
    _, pending = await flow.begin(CALLBACK, "/details/1")
    return pending


def id_token(issuer: TokenIssuer, pending: PendingLogin, **but: Any) -> str:
    said: dict[str, Any] = {"aud": "page", "sub": "ann", "nonce": pending.nonce, "header": {"typ": "JWT"}}
    return issuer.token("acme", **said | but)


async def test_the_provider_is_asked_with_a_proof_that_only_this_browser_can_give(flow: LoginFlow) -> None:
    address, pending = await flow.begin(CALLBACK, "/")
    query = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
    assert query.pop("code_challenge") not in {pending.verifier, ""}
    assert query == {
        "response_type": "code",
        "client_id": "page",
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge_method": "S256",
    }
    assert pending != await begun(flow)


async def test_the_provider_says_who_it_is_and_more_when_asked(issuer: TokenIssuer, flow: LoginFlow) -> None:
    pending = await begun(flow)
    issuer.id_token = id_token(issuer, pending)
    issuer.person = {"sub": "ann", "name": "Ann Li", "redletter_accounts": ["another"], "redletter_roles": ["operator"]}
    person, wanted = await flow.finish(CALLBACK, pending.written(), {"state": pending.state, "code": "c"})
    assert wanted == "/details/1"
    assert (person.sub, person.name, person.redletter_accounts, person.redletter_roles) == (
        *("ann", "Ann Li"),
        *(["acme"], []),
    )


async def test_who_has_no_name_is_called_as_the_provider_calls_them(issuer: TokenIssuer, flow: LoginFlow) -> None:
    pending = await begun(flow)
    issuer.id_token = id_token(issuer, pending)
    person, _ = await flow.finish(CALLBACK, pending.written(), {"state": pending.state, "code": "c"})
    assert person.name == "ann"


async def test_access_tokens_may_be_as_short_as_the_provider_likes(issuer: TokenIssuer, flow: LoginFlow) -> None:
    pending = await begun(flow)
    issuer.id_token, issuer.lasting = id_token(issuer, pending), 30
    person, _ = await flow.finish(CALLBACK, pending.written(), {"state": pending.state, "code": "c"})
    assert person.sub == "ann"


async def test_certificates_are_read_once_and_not_for_each_login(
    flow: LoginFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_again(**_: object) -> None:
        pytest.fail("certificates are read again")

    monkeypatch.setattr("httpcore2.default_ssl_context", read_again)
    await begun(flow)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token(nonce="another"),
        lambda token: token(nonce=None),
        lambda token: token(aud="https://redletter.example"),
        lambda token: token(aud=["page", "another"], azp="another"),
        lambda token: token(iss="https://evil.example"),
        lambda token: token(exp=1),
        lambda token: token(sub=None),
        lambda token: token(sub=""),
        lambda token: token(redletter_accounts="acme"),
        lambda token: token(header={"typ": "logout+jwt"}),
        lambda token: token()[:-8],
        lambda _: "",
        lambda _: None,
    ],
)
async def test_a_wrong_id_token_lets_nobody_in(
    issuer: TokenIssuer, flow: LoginFlow, spoil: Callable[[Callable[..., str]], str | None]
) -> None:
    pending = await begun(flow)
    issuer.id_token = spoil(lambda **but: id_token(issuer, pending, **but))
    with pytest.raises(LoginFailed):
        await flow.finish(CALLBACK, pending.written(), {"state": pending.state, "code": "c"})


@pytest.mark.parametrize("person", [{"sub": "bo"}, {}, ["ann"], None])
async def test_what_the_provider_says_of_another_person_lets_nobody_in(
    issuer: TokenIssuer, flow: LoginFlow, person: object
) -> None:
    pending = await begun(flow)
    issuer.id_token, issuer.person = id_token(issuer, pending), person
    with pytest.raises(LoginFailed):
        await flow.finish(CALLBACK, pending.written(), {"state": pending.state, "code": "c"})


@pytest.mark.parametrize("kept", [None, "", "e30=", "no base64", "é"])
async def test_a_login_that_this_browser_did_not_begin_lets_nobody_in(flow: LoginFlow, kept: str | None) -> None:
    with pytest.raises(LoginFailed, match="another browser"):
        await flow.finish(CALLBACK, kept, {"state": "s", "code": "c"})


@pytest.mark.parametrize("answer", [{}, {"state": "another", "code": "c"}, {"code": "c"}])
async def test_the_answer_to_another_login_lets_nobody_in(flow: LoginFlow, answer: dict[str, str]) -> None:
    pending = await begun(flow)
    with pytest.raises(LoginFailed, match="another login"):
        await flow.finish(CALLBACK, pending.written(), answer)


async def test_whom_the_provider_refuses_is_not_let_in(flow: LoginFlow) -> None:
    pending = await begun(flow)
    with pytest.raises(LoginFailed, match="access_denied"):
        await flow.finish(CALLBACK, pending.written(), {"state": pending.state, "error": "access_denied"})


async def test_a_provider_that_has_gone_away_is_told_from_one_that_refuses() -> None:
    with token_issuer() as issuer:
        flow = LoginFlow(IssuerDocuments(issuer.url), PageClient("page", "secret"))
        pending = await begun(flow)
    with pytest.raises(IssuerUnavailable):
        await flow.finish(CALLBACK, pending.written(), {"state": pending.state, "code": "c"})
