"""Every field of every message is classified by what it says about people."""

import pytest

from events.privacy import PRIVACY, fields_of
from events.schemas import TYPES


@pytest.mark.parametrize("name", TYPES)
def test_every_field_of_a_message_is_classified(name: str) -> None:
    """A new one is added to events/privacy.py, and then `make privacy` is run."""
    assert set(fields_of(name)) - PRIVACY.keys() == set()


def test_nothing_is_classified_that_no_message_has() -> None:
    assert PRIVACY.keys() - {field for name in TYPES for field in fields_of(name)} == set()


def test_what_people_write_and_who_they_are_is_found_at_any_depth() -> None:
    found = set(fields_of("RegisterInvoice.v1"))
    assert {"Name", "TaxId", "Remarks", "Charge.description", "HttpsUrl", "ReissueId"} <= found
