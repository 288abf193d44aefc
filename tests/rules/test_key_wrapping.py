"""Keys of invoices are kept wrapped by a key from outside, or as they are where there is none."""

import pytest

from rules.key_wrapping import NO_WRAPPING, OUTSIDE_KEY_BYTES, KeyWrapping, OutsideKey, OutsideKeyMissing

KEY, NUMBER = bytes(range(32)), "26000000000000000001"
OUTSIDE, ANOTHER = OutsideKey(b"1" * OUTSIDE_KEY_BYTES), OutsideKey(b"2" * OUTSIDE_KEY_BYTES)


def test_without_a_key_from_outside_keys_are_kept_as_they_are() -> None:
    kept = NO_WRAPPING.wrap(KEY, NUMBER)
    assert kept == (KEY, None)
    assert NO_WRAPPING.unwrap(kept, NUMBER) == KEY


def test_a_wrapped_key_is_opened_by_the_key_that_wrapped_it_and_holds_no_byte_of_it_in_clear() -> None:
    kept = OUTSIDE.wrap(KEY, NUMBER)
    assert OUTSIDE.unwrap(kept, NUMBER) == KEY
    assert KEY not in kept.wrapped
    assert kept.wrapped != OUTSIDE.wrap(KEY, NUMBER).wrapped


def test_a_key_kept_from_before_there_was_one_from_outside_is_still_read() -> None:
    assert OUTSIDE.unwrap(NO_WRAPPING.wrap(KEY, NUMBER), NUMBER) == KEY


@pytest.mark.parametrize("wrapping", [ANOTHER, NO_WRAPPING])
def test_a_key_that_another_key_wrapped_is_missing_and_the_message_says_which(
    wrapping: KeyWrapping,
) -> None:
    kept = OUTSIDE.wrap(KEY, NUMBER)
    with pytest.raises(OutsideKeyMissing, match=f"invoice {NUMBER} is wrapped by the key {kept.wrapped_by}"):
        wrapping.unwrap(kept, NUMBER)


def test_the_wrapped_key_of_one_invoice_does_not_serve_another() -> None:
    kept = OUTSIDE.wrap(KEY, NUMBER)
    with pytest.raises(OutsideKeyMissing):
        OUTSIDE.unwrap(kept, "26000000000000000002")
