"""A command that cannot be decided parks its invoice: it waits with all later ones, and nobody else does."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from events.invoice_events import AnyInvoiceEvent
from events.upcasting import WrittenByNewerRelease
from service.log.entries import DeadLetterEntry, EventEntry, NoticeEntry, ReplyEntry
from service.log.parking import MAX_WAITING_BYTES, MAX_WAITING_COMMANDS, Queue
from service.worker import deciding
from service.worker.answering import give_up_batch
from service.worker.loading import fold
from service.worker.outcomes import MAX_ERROR_BYTES
from service.worker.reading import read
from tests.service.support.answered import RETURN, Answered, codes, command, decided
from tests.service.support.records import CANCEL, MOMENTS, NUMBER, REGISTER, headers, raw
from transport.records import ConsumerRecord

OTHER = "26000000000000000002"
BROKEN = RETURN | {"remarks": "boom"}


@pytest.fixture(autouse=True)
def _bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let decisions about commands with certain remarks raise."""
    decide = deciding.decide

    def failing(state: Any, claims: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "remarks", None) == "boom":
            raise RuntimeError("a fault of ours")
        return decide(state, claims, command, moment)

    monkeypatch.setattr(deciding, "decide", failing)


def register(number: str, id_: str) -> ConsumerRecord:
    body = REGISTER | {"invoice_number": number, "charges": [{"charge_id": number, "amount": "106.00"}]}
    attributes = headers("RegisterInvoice", ce_id=id_.encode())
    return raw(json.dumps(body).encode(), attributes, key=number.encode(), topic="invoice.commands.billing")


def notices(on: Answered) -> Sequence[dict[str, Any]]:
    return [json.loads(entry.value) for entry in on.entries if isinstance(entry, NoticeEntry)]


def test_a_command_that_cannot_be_decided_waits_with_all_later_ones_of_its_invoice() -> None:
    on = decided(
        register(NUMBER, "1"),
        command("RequestReturn", BROKEN, "2", offset=7),
        command("RequestReturn", RETURN, "3"),
        register(OTHER, "4"),
    )
    assert codes(on) == ["accepted", "accepted"]
    assert [type(entry) for entry in on.entries] == [EventEntry, ReplyEntry, *[NoticeEntry] * 2, EventEntry, ReplyEntry]
    first = {
        "command_id": "2",
        "command_source": "urn:test",
        "command_type": "redletter.invoice.RequestReturn.v1",
        "invoice_number": NUMBER,
        "place": 1,
        "reason": "INTERNAL_FAULT",
    }
    assert notices(on) == [first, first | {"command_id": "3", "place": 2, "reason": "INVOICE_PARKED"}]
    notice = on.entries[2]
    assert isinstance(notice, NoticeEntry)
    assert (notice.id, notice.answered) == ("invoice.commands.customer-0-7-parked", False)
    assert [waiting.id for waiting in on.memory.grown()[NUMBER].added] == ["2", "3"]
    assert on.memory.grown()[NUMBER].error == "RuntimeError('a fault of ours')"


def test_commands_of_a_parked_invoice_wait_on_every_topic() -> None:
    observed = {"invoice_number": NUMBER, "posting_status": "recorded", "observed_at": "2026-02-13T01:00:00Z"}
    on = decided(command("RequestReturn", BROKEN, "1"), command("RecordPostingStatus", observed, "2"))
    assert [notice["place"] for notice in notices(on)] == [1, 2]
    assert codes(on) == []


def test_what_is_no_matter_of_deciding_is_answered_though_the_invoice_is_parked() -> None:
    on = decided(
        register(NUMBER, "1"),
        command("RequestReturn", BROKEN, "2"),
        register(NUMBER, "1"),
        command("RegisterInvoice", REGISTER | {"remarks": "x"}, "1"),
        command("CancelReturn", CANCEL, "3", topic="invoice.commands.tax"),
        raw(b"{}", headers("CancelReturn", ce_id=b"4")),
    )
    assert codes(on) == ["accepted", "accepted", "IDEMPOTENCY_KEY_REUSED", "WRONG_CHANNEL", "MALFORMED_COMMAND"]
    assert len(notices(on)) == 1


def test_a_repeat_of_a_command_that_waits_waits_too_and_is_not_announced() -> None:
    on = decided(
        *[command("RequestReturn", BROKEN, "1", offset=offset) for offset in range(2)],
        command("RequestReturn", RETURN, "1"),
        command("RequestReturn", RETURN, "2"),
    )
    assert [(notice["command_id"], notice["place"]) for notice in notices(on)] == [("1", 1), ("2", 2)]
    queue = on.memory.queues[NUMBER]
    assert [(waiting.turn, waiting.place) for waiting in queue.added] == [(1, 1), (2, None), (3, None), (4, 2)]
    assert queue.commands == 4


def test_an_id_that_waits_for_an_invoice_is_not_used_up_by_another_one() -> None:
    on = decided(
        command("RegisterInvoice", REGISTER | {"remarks": "boom"}, "1"), register(OTHER, "1"), register(OTHER, "2")
    )
    assert codes(on) == ["IDEMPOTENCY_KEY_REUSED", "accepted"]


def test_a_queue_holds_a_thousand_commands_and_refuses_more_without_using_their_ids_up() -> None:
    waiting = [command("RequestReturn", BROKEN, str(number)) for number in range(MAX_WAITING_COMMANDS)]
    on = decided(*waiting, command("CancelReturn", CANCEL, "more"), command("RequestReturn", BROKEN, "broken"))
    assert codes(on) == ["INVOICE_PARKED"] * 2
    assert len(notices(on)) == MAX_WAITING_COMMANDS
    (reply, _) = [entry for entry in on.entries if isinstance(entry, ReplyEntry)]
    assert reply.command_key is None
    assert json.loads(reply.value)["details"] == {"commands": MAX_WAITING_COMMANDS}


def test_a_queue_holds_sixteen_mebibytes() -> None:
    on = Answered()
    record = command("CancelReturn", CANCEL, "1")
    on.memory.queues[NUMBER] = Queue("error", commands=3, bytes=MAX_WAITING_BYTES - 1)
    on.take(record)
    assert codes(on) == ["INVOICE_PARKED"]
    own = len(record.value or b"") + len(record.key or b"")
    size = own + sum(len(name) + len(value or b"") for name, value in record.headers)
    on.memory.queues[NUMBER] = Queue("error", commands=3, bytes=MAX_WAITING_BYTES - size)
    on.take(record)
    assert (len(notices(on)), on.memory.queues[NUMBER].bytes) == (1, MAX_WAITING_BYTES)


def test_a_repeat_whose_earlier_reply_cannot_be_read_waits_and_parks_the_invoice() -> None:
    on = decided(register(NUMBER, "1"))
    on.memory.earlier.update({key: earlier._replace(value=b"{}") for key, earlier in on.memory.earlier.items()})
    on.take(register(NUMBER, "1"), command("RequestReturn", RETURN, "2"), register(OTHER, "3"))
    assert codes(on) == ["accepted", "accepted"]
    assert [notice["command_id"] for notice in notices(on)] == ["1", "2"]


def test_an_invoice_whose_events_cannot_be_read_is_parked_by_its_first_command() -> None:
    def unreadable() -> Iterator[AnyInvoiceEvent]:
        raise ValueError("not an event")
        yield

    on = Answered()
    on.memory.streams[NUMBER] = fold(unreadable())
    on.take(command("CancelReturn", CANCEL, "1"), register(OTHER, "2"))
    assert codes(on) == ["accepted"]
    assert on.memory.queues[NUMBER].error == "ValueError('not an event')"


def test_an_event_that_is_too_large_for_kafka_parks_the_invoice_and_nothing_is_appended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide = deciding.decide

    def decide_at_length(*arguments: Any) -> Any:
        (event,) = decide(*arguments)  # type: ignore[misc] - events, as the command is accepted
        return [event.model_copy(update={"remarks": "x" * (5 << 20)})]

    monkeypatch.setattr(deciding, "decide", decide_at_length)
    on = decided(register(NUMBER, "1"))
    assert [type(entry) for entry in on.entries] == [NoticeEntry]
    assert on.memory.claims.net() == []
    assert NUMBER not in on.memory.streams


def test_what_a_newer_release_has_written_parks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def newer(*_: object) -> None:
        raise WrittenByNewerRelease("CommandPostponed.v1")

    on = decided(register(NUMBER, "1"))
    monkeypatch.setattr(deciding, "read_reply", newer)
    with pytest.raises(WrittenByNewerRelease):
        on.take(register(NUMBER, "1"))
    assert on.memory.queues == {}


def test_the_error_that_an_invoice_is_parked_for_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("\0" + "字" * 100_000)

    monkeypatch.setattr(deciding, "decide", fail)
    error = decided(register(NUMBER, "1")).memory.queues[NUMBER].error
    assert len(error.encode()) <= MAX_ERROR_BYTES
    assert "\0" not in error


def test_commands_that_are_given_up_are_refused_and_repeats_get_their_first_reply() -> None:
    on = decided(register(NUMBER, "1"))
    records = [register(NUMBER, "1"), command("RequestReturn", BROKEN, "2"), raw(b"{")]
    answers = give_up_batch([read(record, MOMENTS) for record in records], on.memory)
    first, second, third = (answer.entries[-1] for answer in answers)
    assert isinstance(first, ReplyEntry)
    assert json.loads(first.value)["replayed"]
    assert isinstance(second, ReplyEntry)
    assert (json.loads(second.value)["code"], second.command_key) == ("INTERNAL_FAULT", None)
    assert isinstance(third, DeadLetterEntry)


def test_a_command_whose_earlier_reply_cannot_be_read_can_be_given_up() -> None:
    on = decided(register(NUMBER, "1"))
    on.memory.earlier.update({key: earlier._replace(value=b"{}") for key, earlier in on.memory.earlier.items()})
    (answer,) = give_up_batch([read(register(NUMBER, "1"), MOMENTS)], on.memory)
    assert isinstance(reply := answer.entries[0], ReplyEntry)
    assert json.loads(reply.value)["code"] == "INTERNAL_FAULT"
