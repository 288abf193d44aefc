"""Sealing what a decision says of people, under the keys of the invoices of a batch. No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from os import urandom

from events.compact_jwe import KEY_BYTES, invoice_of, seal, seal_bytes, unseal, unseal_bytes
from events.invoice_events import AnyInvoiceEvent, InvoiceIssued
from events.sealing import SEALED_BEGINNING, put_back, take_out
from rules.key_wrapping import NO_WRAPPING, KeyWrapping, WrappedKey
from service.invoice.state import KEY_LOST, Invoice, without_texts
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
COMMON = "common"
"""What the key is called under which is sealed what belongs to no invoice with a key of its own."""


class KeyGone(Exception):
    """What was sealed cannot be opened any more."""


@dataclass(slots=True)
class Keys:
    """The keys of the invoices of a batch: as loaded, and then as the answer to each record leaves them.

    on: whether invoices that are not on record yet get one. made: those that are new. destroyed: of which invoices.
    """

    on: bool = False
    found: dict[str, bytes] = field(default_factory=dict[str, bytes])
    made: dict[str, bytes] = field(default_factory=dict[str, bytes])
    destroyed: set[str] = field(default_factory=set[str])

    def new(self, number: str) -> bytes | None:
        """Make the key of an invoice that is going to be on record; None without sealing."""
        if number not in self.found and self.on:
            self.found[number] = self.made[number] = urandom(KEY_BYTES)
        return self.found.get(number)

    def for_other(self, number: str | None) -> tuple[str, bytes] | None:
        """Return the key for what is no event, and what it is called: that of its invoice, else the common one.

        number: of the invoice, where there is one. None without sealing.
        """
        if number and (own := self.found.get(number)):
            return number, own
        return (COMMON, common) if self.on and (common := self.new(COMMON)) else None

    def destroy(self, number: str) -> None:
        """Destroy the key of an invoice, if it has one."""
        if self.found.pop(number, None) and not self.made.pop(number, None):
            self.destroyed.add(number)


def sealed(
    event: AnyInvoiceEvent, invoice: Invoice | None, key: bytes | None
) -> tuple[AnyInvoiceEvent, AnyInvoiceEvent]:
    """Return an event as decisions know it, with its texts, and as it is recorded, with sealed ones.

    invoice: before the event. Where its key is destroyed or lost, the texts are left out.
    """
    if key is None and not (invoice and invoice.body.sealed):
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
            yield put_back(event, unseal(key, event.sealed)) if key else without_texts(event, KEY_LOST)
        else:
            yield event


def sealed_record(record: ConsumerRecord, key: tuple[str, bytes] | None) -> ConsumerRecord:
    """Return the record of a command that waits as it is kept. key: what it is called, and the key."""
    return replace(record, value=seal_bytes(key[1], key[0], record.value or b"")) if key else record


def opened_record(record: ConsumerRecord, keys: Mapping[str, bytes]) -> ConsumerRecord:
    """Return a record that was kept so as it was received. Raises: KeyGone."""
    value = record.value or b""
    if not value.startswith(SEALED_BEGINNING):
        return record
    name = invoice_of(value.decode())
    if name not in keys:
        msg = f"the key {name} of a command that waits is gone"
        raise KeyGone(msg)
    return replace(record, value=unseal_bytes(keys[name], value))


def digests(plain: bytes, keys: Keys, number: str) -> frozenset[bytes]:
    """Return all that may be kept of the digest of a command: it may have been decided before there was a key."""
    return frozenset({plain, *(keyed(plain, key) for name in (number, COMMON) if (key := keys.found.get(name)))})


def keyed(digest: bytes, key: bytes) -> bytes:
    """Return what is kept of the digest of a command: of a short text nobody finds out by trial what it was."""
    return blake2b(digest, digest_size=32, key=key, person=b"command digest").digest()
