"""How keys of invoices are kept: wrapped by a key from outside, or, where there is none, as they are."""

from hashlib import sha256
from os import urandom
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

OUTSIDE_KEY_BYTES = 32
_NONCE_BYTES = 12


class WrappedKey(NamedTuple):
    """The key of an invoice as it is kept. wrapped_by: which key from outside opens it; None where none is needed."""

    wrapped: bytes
    wrapped_by: str | None


class OutsideKeyMissing(Exception):
    """The key of an invoice is wrapped by another key from outside than the one at hand; the message says which."""


class KeyWrapping(Protocol):
    """What wraps keys: a key at hand, or a service that keeps one (KMS)."""

    def wrap(self, key: bytes, invoice_number: str) -> WrappedKey:
        """Wrap the key of an invoice."""
        ...

    def unwrap(self, kept: WrappedKey, invoice_number: str) -> bytes:
        """Return the key of an invoice. Raises: OutsideKeyMissing."""
        ...


class NoWrapping:
    """Keeps keys as they are: whoever reads their table opens everything."""

    def wrap(self, key: bytes, invoice_number: str) -> WrappedKey:  # noqa: ARG002 - of the interface
        """Return the key itself."""
        return WrappedKey(key, None)

    def unwrap(self, kept: WrappedKey, invoice_number: str) -> bytes:
        """Return the key. Raises: OutsideKeyMissing."""
        if kept.wrapped_by is not None:
            raise _missing(kept, invoice_number)
        return kept.wrapped


NO_WRAPPING = NoWrapping()


class OutsideKey:
    """Wraps keys by a key of 32 bytes (AES-256-GCM); keys from before it was set are still read."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._name = sha256(b"redletter outside key\0" + key).hexdigest()[:16]

    def wrap(self, key: bytes, invoice_number: str) -> WrappedKey:
        """Wrap the key of an invoice, which is bound to its number."""
        nonce = urandom(_NONCE_BYTES)
        return WrappedKey(nonce + self._cipher.encrypt(nonce, key, invoice_number.encode()), self._name)

    def unwrap(self, kept: WrappedKey, invoice_number: str) -> bytes:
        """Return the key of an invoice. Raises: OutsideKeyMissing."""
        wrapped, wrapped_by = kept
        if wrapped_by is None:
            return wrapped
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], invoice_number.encode())
        except InvalidTag:
            raise _missing(kept, invoice_number) from None


def _missing(kept: WrappedKey, invoice_number: str) -> OutsideKeyMissing:
    return OutsideKeyMissing(
        f"the key of invoice {invoice_number} is wrapped by the key {kept.wrapped_by} from outside; set it by "
        "REDLETTER_SEALING_KEY_FILE or REDLETTER_SEALING_KEY"
    )
