"""How a person logs in with an OpenID provider: authorization code with PKCE. Source: OpenID Connect Core 1.0, 3.1."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from pydantic import BaseModel, ValidationError

from web.http.issuer_documents import IssuerDocuments, IssuerUnavailable
from web.http.tokens import CallerClaims, TokenRefused, Tokens, claims_of

SCOPE = "openid profile"
_ANSWER_WITHIN = 5.0
"""Seconds for each answer of the provider."""
_LONGEST_NAME = 100
"""Characters of a person's name."""


@dataclass(frozen=True, slots=True)
class PageClient:
    """What the page is for the issuer."""

    client_id: str
    client_secret: str = field(repr=False)


class PendingLogin(BaseModel):
    """What a browser keeps while its reader is at the provider. wanted: the address here that they came for."""

    state: str
    nonce: str
    verifier: str
    wanted: str

    def written(self) -> str:
        """Return it as the value of a cookie."""
        return urlsafe_b64encode(self.model_dump_json().encode()).decode()


class LoginFailed(Exception):
    """Nobody has logged in; the message says why, for the log."""


class LoginFlow:
    """Leads a person to the provider, and learns there who they are."""

    def __init__(self, documents: IssuerDocuments, client: PageClient) -> None:
        self._documents = documents
        self._client = client
        self._id_tokens = Tokens(documents, client.client_id)
        self._trusted = httpx2.create_ssl_context()  # takes tens of milliseconds: too long for each login

    async def begin(self, callback: str, wanted: str) -> tuple[str, PendingLogin]:
        """Return the provider's address to go to. callback: ours, to come back to. Raises: IssuerUnavailable."""
        configuration = (await self._documents.known()).configuration
        nonce, verifier = generate_token(32), generate_token(64)
        async with self._talking(configuration, callback) as talking:
            address, state = talking.create_authorization_url(
                configuration["authorization_endpoint"], nonce=nonce, code_verifier=verifier
            )
        return address, PendingLogin(state=state, nonce=nonce, verifier=verifier, wanted=wanted)

    async def finish(self, callback: str, pending: str | None, answer: Mapping[str, str]) -> tuple[CallerClaims, str]:
        """Return who has logged in, and the address that they came for.

        pending: what the browser has kept. answer: the parameters with which the provider sent them back.
        Raises: LoginFailed, IssuerUnavailable.
        """
        kept = _read(pending, answer)
        configuration = (await self._documents.known()).configuration
        try:
            async with self._talking(configuration, callback) as talking:
                token = await talking.fetch_token(
                    configuration["token_endpoint"], code=answer.get("code"), code_verifier=kept.verifier
                )
                said = await self._id_tokens.claims(str(token.get("id_token")))
                if said.get("nonce") != kept.nonce or said.get("azp", self._client.client_id) != self._client.client_id:
                    msg = "the ID token is for another login"
                    raise LoginFailed(msg)
                return _person(await _completed(talking, configuration, said)), kept.wanted
        except (OAuthError, TokenRefused, ValueError) as error:
            raise LoginFailed(str(error)) from error
        except httpx2.HTTPError as error:
            raise IssuerUnavailable(repr(error)) from error

    async def end_address(self, back: str) -> str | None:
        """Return where to log out at the provider too, if it offers that. back: our address to come back to.

        Source: OpenID Connect RP-Initiated Logout 1.0. Raises: IssuerUnavailable.
        """
        address = (await self._documents.known()).configuration.get("end_session_endpoint")
        query = {"client_id": self._client.client_id, "post_logout_redirect_uri": back}
        return f"{address}?{urlencode(query)}" if address else None

    def _talking(self, configuration: Mapping[str, Any], callback: str) -> Any:  # noqa: ANN401 - the library is untyped
        methods = configuration.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return AsyncOAuth2Client(
            self._client.client_id,
            self._client.client_secret,
            token_endpoint_auth_method=next(
                (method for method in ("client_secret_basic", "client_secret_post") if method in methods), None
            ),
            scope=SCOPE,
            redirect_uri=callback,
            code_challenge_method="S256",
            leeway=0,  # the access token is used at once, however short it lasts
            timeout=_ANSWER_WITHIN,
            verify=self._trusted,
        )


def _read(pending: str | None, answer: Mapping[str, str]) -> PendingLogin:
    """Return the login that an answer of the provider belongs to. Raises: LoginFailed."""
    try:
        kept = PendingLogin.model_validate_json(urlsafe_b64decode(pending or ""))
    except (ValidationError, ValueError):
        msg = "the login began in another browser, or too long ago"
        raise LoginFailed(msg) from None
    if kept.state != answer.get("state"):
        msg = "the answer belongs to another login"
        raise LoginFailed(msg)
    if "error" in answer:
        msg = f"the provider answered {answer['error']!r}"
        raise LoginFailed(msg)
    return kept


async def _completed(
    talking: httpx2.AsyncClient, configuration: Mapping[str, Any], said: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the claims of an ID token, with those that the provider tells only when asked. Source: 5.3.2, 5.4.

    Raises: httpx2.HTTPError, ValueError, LoginFailed.
    """
    if "userinfo_endpoint" not in configuration:
        return said
    more = (await talking.get(configuration["userinfo_endpoint"])).raise_for_status().json()
    if not isinstance(more, dict) or more.get("sub") != said["sub"]:
        msg = "the provider told about another person"
        raise LoginFailed(msg)
    return {**more, **said}


def _person(said: Mapping[str, Any]) -> CallerClaims:
    """Return who has logged in. Raises: TokenRefused."""
    names = (said.get("name"), said.get("preferred_username"), said["sub"])
    return claims_of(said, next(str(name) for name in names if name)[:_LONGEST_NAME])
