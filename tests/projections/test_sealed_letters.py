"""A dead letter whose value is sealed is sent again only once it is open."""

from dataclasses import replace

import pytest

from events.compact_jwe import seal_bytes
from projections.dead_letters.queries import RecordPlace
from projections.dead_letters.records import original, sealed_under
from projections.dead_letters.sealed_letters import opened_letter
from tests.service.support.records import NUMBER, raw
from transport.records import ConsumerRecord

KEY, VALUE = bytes(32), b"not json"
PLACE = RecordPlace("invoice.commands.customer", 0, 17)
ADDED = tuple((name, b"x") for name in ("dl_reason", "dl_error", "dl_topic", "dl_partition", "dl_offset", "dl_time"))
OWN = (("ce_id", b"1"),)


def letter(value: bytes, *own: tuple[str, bytes]) -> ConsumerRecord:
    return raw(value, (*OWN, *own, *ADDED))


SEALED = letter(seal_bytes(KEY, NUMBER, VALUE), ("dl_sealed", NUMBER.encode()))


def test_a_sealed_letter_says_its_key_and_is_not_sent_again_as_it_is() -> None:
    assert sealed_under(SEALED) == NUMBER
    assert original(SEALED, PLACE) is None


def test_an_opened_letter_is_its_record_again() -> None:
    record = original(opened_letter(SEALED, KEY), PLACE)
    assert record is not None
    assert (record.value, record.headers) == (VALUE, list(OWN))


@pytest.mark.parametrize("other", [bytes(31) + b"x", bytes(16)])
def test_a_letter_that_another_key_does_not_open_stays_sealed(other: bytes) -> None:
    assert opened_letter(SEALED, other) == SEALED


def test_a_header_of_that_name_in_a_record_that_is_not_sealed_is_its_own() -> None:
    clear = letter(VALUE, ("dl_sealed", b"mine"))
    record = original(clear, PLACE)
    assert record is not None
    assert record.headers == [*OWN, ("dl_sealed", b"mine")]
    assert original(replace(clear, headers=ADDED), PLACE) is not None
