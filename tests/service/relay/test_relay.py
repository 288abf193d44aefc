"""A transaction of the relay ends where a command ends, and each entry becomes one record."""

from hypothesis import given
from hypothesis import strategies as st

from events.log_headers import digest_of_command, place_in_log
from events.topics import EVENTS_TOPIC
from service.relay.messages import outgoing_record
from service.store.log_reader import whole_commands
from tests.service.support.rows import log_row


@given(st.lists(st.booleans(), max_size=30))
def test_a_transaction_ends_where_a_command_ends(ends: list[bool]) -> None:
    rows = [log_row(index, ends=end) for index, end in enumerate(ends)]
    kept = whole_commands(rows)
    assert list(kept) == rows[: len(kept)]
    assert not kept or kept[-1].ends
    assert not any(left.ends for left in rows[len(kept) :])


def test_an_event_carries_its_version_and_an_id_of_its_own() -> None:
    published = outgoing_record(log_row(1, ends=False), 3)
    headers = dict(published.headers)
    assert (published.topic, published.key, published.value) == (EVENTS_TOPIC, b"key", b"value")
    assert (headers["ce_invoiceversion"], headers["ce_id"], published.partition) == (b"1", b"subject-1", 3)
    assert headers["ce_type"] == b"redletter.invoice.name"


def test_a_message_says_its_place_and_a_final_reply_the_digest_of_its_command_so_that_the_log_can_be_rebuilt() -> None:
    event, reply = log_row(17, ends=False), log_row(18, ends=True, kind="reply")._replace(digest=b"\x0f" * 32)
    of_event, of_reply = (dict(outgoing_record(row, 3).headers) for row in (event, reply))
    assert (place_in_log(of_event), digest_of_command(of_event)) == (17, None)
    assert (place_in_log(of_reply), digest_of_command(of_reply)) == (18, b"\x0f" * 32)


def test_a_dead_letter_has_no_header_but_those_of_its_record_and_where_it_lay() -> None:
    row = log_row(17, ends=True, kind="dead letter")._replace(header_names=[b"own"], header_values=[None])
    assert [name for name, _ in outgoing_record(row, 3).headers] == ["own", "dl_time"]
