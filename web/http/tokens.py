"""Bearer tokens: JSON Web Tokens, signed by the issuer for this api. Source: RFC 9068, RFC 8725."""

from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import (
    DecodeError,
    ExpiredTokenError,
    InvalidClaimError,
    InvalidKeyIdError,
    JoseError,
    MissingClaimError,
)
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from pydantic import BaseModel, StrictStr, ValidationError

from events.values import RequestedBy
from projections.answers import Accounts
from web.http.issuer_documents import IssuerDocuments

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with a private key. With any other, whoever knows the issuer's public key could sign."""
CLOCK_SKEW = 60
"""Seconds by which the clocks of the issuer and of this machine may differ."""
OPERATOR = "operator"
"""The role that sees how the system is doing, and the history of every invoice."""
ALL_ACCOUNTS = "*"
"""In place of an account: every account there is."""
_TYPES = {None, "jwt", "at+jwt", "application/at+jwt"}
"""Of access tokens. Other tokens of the issuer say so, such as ``logout+jwt``."""


class TokenRefused(Exception):
    """A token does not count here; the message says why, in a sentence without quotes or anything from the token."""


class CallerClaims(BaseModel):
    """What is read of a token, and kept of a person who has logged in. name: to greet them; programs have none."""

    sub: RequestedBy
    exp: float
    redletter_accounts: list[StrictStr] = []
    redletter_roles: list[StrictStr] = []
    name: str | None = None

    def accounts(self) -> Accounts:
        """Return whose invoices exist for the caller."""
        return None if ALL_ACCOUNTS in self.redletter_accounts else frozenset(self.redletter_accounts)

    def operator(self) -> bool:
        """Return whether the caller has that role."""
        return OPERATOR in self.redletter_roles


def claims_of(said: Mapping[str, Any], name: str | None = None) -> CallerClaims:
    """Return what counts of the claims of a token. Raises: TokenRefused."""
    try:
        return CallerClaims.model_validate({**said, "name": name})
    except ValidationError as error:
        raise TokenRefused(wrong_claim(str(error.errors()[0]["loc"][0]))) from None


class Tokens:
    """Reads the tokens of one issuer for one audience."""

    def __init__(self, documents: IssuerDocuments, audience: str) -> None:
        self._documents = documents
        self._claims = JWTClaimsRegistry(
            leeway=CLOCK_SKEW,
            iss={"essential": True, "value": documents.url},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def claims(self, token: str) -> Mapping[str, Any]:
        """Return what a good token says. Raises: TokenRefused, IssuerUnavailable."""
        try:
            try:
                read = _read(token, (await self._documents.known()).keys)
            except InvalidKeyIdError:  # the issuer may have new keys
                read = _read(token, (await self._documents.newest()).keys)
            self._claims.validate(read.claims)
        except JoseError as error:
            raise TokenRefused(_reason(error)) from None
        if _type(read.header) not in _TYPES:
            msg = "The token is not an access token."
            raise TokenRefused(msg)
        return read.claims


def _read(token: str, keys: KeySet) -> jwt.Token:
    """Return a token that is signed with one of the keys. Raises: JoseError."""
    try:
        return jwt.decode(token, keys, algorithms=ALGORITHMS)
    except JoseError:
        raise
    except Exception as error:  # the library stumbles over some headers, such as {"crit": null}
        raise DecodeError from error


def _type(header: Mapping[str, Any]) -> str | None:
    given = header.get("typ")
    return None if given is None else str(given).lower()


def wrong_claim(claim: str) -> str:
    """Return why a token without the right claim is refused."""
    return f"The token lacks the right claim {claim}."


def _reason(error: Exception) -> str:
    match error:
        case ExpiredTokenError():
            return "The token has expired."
        case MissingClaimError() | InvalidClaimError():
            return wrong_claim(error.claim)
        case InvalidKeyIdError():
            return "The token is signed with a key that the issuer does not publish."
        case _:
            return "The token is not signed by the issuer with an accepted algorithm."
