"""Sealed texts: compact JWE, encrypted by the key of an invoice itself. Source: RFC 7516; RFC 7518, sections 4.5, 5.3.

Any library for JOSE opens them. They are made here since one takes 22 microseconds for what takes 4.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic_core import from_json, to_json

KEY_BYTES = 32
_NONCE_BYTES, _TAG_BYTES = 12, 16
_HEAD = b'{"alg":"dir","enc":"A256GCM","kid":"%b"}'


class WrongKey(ValueError):
    """A key does not open what was sealed, or it was changed since."""


def seal(key: bytes, invoice_number: str, texts: Mapping[str, str]) -> str:
    """Seal texts under the key of an invoice."""
    return seal_bytes(key, invoice_number, to_json(texts)).decode()


def unseal(key: bytes, sealed: str) -> dict[str, str]:
    """Return sealed texts. Raises: WrongKey."""
    return from_json(unseal_bytes(key, sealed.encode()))


def invoice_of(sealed: str) -> str:
    """Return the number of the invoice whose key opens it. Raises: KeyError, ValueError for what was not sealed."""
    return from_json(_read(sealed.partition(".")[0].encode()))["kid"]


def seal_bytes(key: bytes, kid: str, plain: bytes) -> bytes:
    """Seal anything. kid: what the key is called."""
    head = _written(_HEAD % kid.encode())
    nonce = urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain, head)
    return b".".join((head, b"", _written(nonce), _written(sealed[:-_TAG_BYTES]), _written(sealed[-_TAG_BYTES:])))


def unseal_bytes(key: bytes, sealed: bytes) -> bytes:
    """Return what was sealed. Raises: WrongKey."""
    try:
        head, _, *parts = sealed.split(b".")
        nonce, text, tag = map(_read, parts)
        return AESGCM(key).decrypt(nonce, text + tag, head)
    except (InvalidTag, ValueError):
        msg = "the key does not open what was sealed, or it was changed since"
        raise WrongKey(msg) from None


def _written(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")


def _read(part: bytes) -> bytes:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))
