"""Sealing what a decision says of people, under the keys of the invoices of a batch. No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from os import urandom

from events.compact_jwe import KEY_BYTES, seal, seal_bytes, unseal, unseal_bytes
from events.invoice_events import AnyInvoiceEvent, InvoiceIssued
from events.sealing import put_back, take_out
from rules.key_wrapping import NO_WRAPPING, KeyWrapping, WrappedKey
from service.invoice.state import Invoice, without_texts
from transport.records import ConsumerRecord


@dataclass(frozen=True, slots=True)
class Sealing:
    """Whether new invoices are sealed, and how their keys are kept."""

    on: bool = False
    wrapping: KeyWrapping = NO_WRAPPING

    def keys(self, kept: Mapping[str, WrappedKey]) -> "Keys":
        """Return the keys of a batch. Raises: OutsideKeyMissing."""
        return Keys(self.on, {number: self.wrapping.unwrap(one, number) for number, one in kept.items()})

    def wrapped(self, keys: "Keys") -> dict[str, WrappedKey]:
        """Return the keys that are new, as they are kept."""
        return {number: self.wrapping.wrap(key, number) for number, key in keys.made.items()}


NOT_SEALING = Sealing()
LETTERS = "dead-letters"
"""What the key is called under which dead letters are sealed that say no invoice with a key of its own."""
_SEALED = b"eyJhbGciOi"
"""How every JWE that is made here begins."""


@dataclass(slots=True)
class Keys:
    """The keys of the invoices of a batch: as loaded, and then as the answer to each record leaves them.

    on: whether invoices that are not on record yet get one. made: those that are new. destroyed: of which invoices.
    """

    on: bool = False
    found: dict[str, bytes] = field(default_factory=dict[str, bytes])
    made: dict[str, bytes] = field(default_factory=dict[str, bytes])
    destroyed: set[str] = field(default_factory=set[str])

    def of(self, number: str, invoice: Invoice | None) -> bytes | None:
        """Return the key of an invoice, which a number gets with the first command that names it.

        None without sealing, for an invoice that is on record in clear, and for one whose key is destroyed.
        """
        if (key := self.found.get(number)) or invoice is not None or not self.on:
            return key
        key = self.found[number] = self.made[number] = urandom(KEY_BYTES)
        return key

    def of_letter(self, number: str | None) -> tuple[str, bytes] | None:
        """Return the key for a dead letter, with what it is called. number: of its invoice, where it says one."""
        if number and (own := self.found.get(number)):
            return number, own
        common = self.of(LETTERS, None)
        return (LETTERS, common) if common else None

    def destroy(self, number: str) -> None:
        """Destroy the key of an invoice, if it has one."""
        if self.found.pop(number, None) and not self.made.pop(number, None):
            self.destroyed.add(number)


def sealed(
    event: AnyInvoiceEvent, invoice: Invoice | None, key: bytes | None
) -> tuple[AnyInvoiceEvent, AnyInvoiceEvent]:
    """Return an event as decisions know it, with its texts, and as it is recorded, with sealed ones.

    invoice: before the event. Where its key is destroyed, the texts are left out.
    """
    if key is None and not (invoice and invoice.erased):
        return event, event
    blank, texts = take_out(event)
    if not texts or key is None:
        return blank, blank
    under_key = seal(key, event.invoice_number, texts)
    # Of an invoice only what was issued is known with its texts, and has to say that they are sealed.
    as_known = event.but(sealed=under_key) if isinstance(event, InvoiceIssued) else event
    return as_known, blank.but(sealed=under_key)


def known(events: Iterable[AnyInvoiceEvent], key: bytes | None) -> Iterator[AnyInvoiceEvent]:
    """Yield recorded events as decisions know them: with the texts that a reissue inherits, if they can be opened."""
    for event in events:
        if isinstance(event, InvoiceIssued) and event.sealed:
            yield put_back(event, unseal(key, event.sealed)) if key else without_texts(event)
        else:
            yield event


def sealed_record(record: ConsumerRecord, number: str, key: bytes | None) -> ConsumerRecord:
    """Return the record of a command that waits as it is kept."""
    return replace(record, value=seal_bytes(key, number, record.value or b"")) if key else record


def opened_record(record: ConsumerRecord, key: bytes | None) -> ConsumerRecord:
    """Return a record that was kept so as it was received; no command begins like one that is sealed."""
    value = record.value or b""
    return replace(record, value=unseal_bytes(key, value)) if key and value.startswith(_SEALED) else record


def keyed(digest: bytes, key: bytes | None) -> bytes:
    """Return what is kept of the digest of a command: of a short text nobody finds out by trial what it was."""
    return blake2b(digest, digest_size=32, key=key, person=b"command digest").digest() if key else digest
