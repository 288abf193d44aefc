"""What is remembered of the latest batches: bounded in bytes, and forgotten when others write."""

import pytest

from service.worker import recent_invoices
from service.worker.memory import Stream
from service.worker.recent_invoices import RecentInvoices
from tests.service.support.answered import Answered
from tests.service.support.records import NUMBER, REGISTER, binary


@pytest.fixture
def stream() -> Stream:
    """Return a registered invoice."""
    return Answered().take(binary("RegisterInvoice", REGISTER)).memory.streams[NUMBER]


def test_what_a_batch_leaves_is_remembered_with_the_last_places(stream: Stream) -> None:
    remembered = RecentInvoices()
    remembered.keep({"1": stream}, {3: 7})
    assert remembered.among({"1", "2"}) == {"1": stream}
    assert remembered.last_places == {3: 7}


def test_an_invoice_that_was_never_seen_or_could_not_be_read_is_not_remembered(stream: Stream) -> None:
    remembered = RecentInvoices()
    remembered.keep({"1": Stream(None, 0), "2": Stream(stream.state, 1, ValueError())}, {})
    assert remembered.among({"1", "2"}) == {}


def test_the_invoices_that_were_used_last_are_kept_when_room_is_short(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_one = recent_invoices.OF_INVOICE + recent_invoices.OF_CHARGE
    monkeypatch.setattr(recent_invoices, "MAX_RECENT_BYTES", 2 * of_one)
    remembered = RecentInvoices()
    remembered.keep({"1": stream, "2": stream}, {})
    remembered.keep({"1": stream}, {})
    remembered.keep({"3": stream}, {})
    assert remembered.among({"1", "2", "3"}).keys() == {"1", "3"}


def test_after_a_conflict_nothing_is_remembered_for_a_while(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_invoices, "FORGETFUL_BATCHES", 1)
    remembered = RecentInvoices()
    remembered.keep({"1": stream}, {3: 7})
    remembered.forget()
    remembered.keep({"1": stream}, {3: 8})
    assert (remembered.among({"1"}), remembered.last_places) == ({}, {})
    remembered.keep({"1": stream}, {3: 9})
    assert (remembered.among({"1"}), remembered.last_places) == ({"1": stream}, {3: 9})
