"""The fold never argues: an event that does not fit the state changes nothing."""

from datetime import timedelta

import pytest

from events.commands import AnyCommand
from events.invoice_events import AnyInvoiceEvent
from service.invoice.evolve import NotBegun, evolve
from service.invoice.state import FormConfirmed, FormOpen, Invoice, Issued, Posting, Returned, Reversed
from tests.service.support import orders
from tests.service.support.scenario import Scenario


def history(*commands: AnyCommand) -> list[AnyInvoiceEvent]:
    scenario = Scenario()
    for command in commands:
        scenario.now += timedelta(days=10)
        scenario.given(command)
    return scenario.streams[orders.NUMBER]


LIFE = history(
    orders.register(),
    orders.observe(),
    orders.ask_return(),
    orders.fail("id-3"),
    orders.revise("id-3"),
    orders.overdue("id-3"),
    orders.confirm(),
    orders.credit(),
    orders.complete(),
    orders.reissue("c1"),
    orders.refuse_reissue("id-10"),
    orders.reissue("c1"),
    orders.register(orders.OTHER_NUMBER, replaces=orders.replaces(orders.NUMBER, "id-12")),
    orders.link("id-12"),
)
REFUSED = history(orders.register(), orders.observe(), orders.ask_return(), orders.reject())[-1]
ALL = [*LIFE, REFUSED]


def states() -> list[Invoice]:
    state = None
    seen: dict[type, Invoice] = {}
    for event in LIFE:
        state = evolve(state, event)
        seen[type(state)] = state
    return list(seen.values())


FITTING: dict[type[Invoice], set[str]] = {
    Issued: {"PostingStatusChanged", "ReturnRequested"},
    FormOpen: {
        "PostingStatusChanged",
        "RedFontFormConfirmed",
        "ReversalAttemptFailed",
        "ReturnDeadlineRevised",
        "ReturnOverdue",
        "ReturnRefused",
        "CreditNoteIssued",
    },
    Reversed: {
        "PostingStatusChanged",
        "InvoiceReturned",
        "ReissueRequested",
        "ReissueRefused",
        "ReplacementIssued",
    },
}
FITTING[FormConfirmed], FITTING[Returned] = FITTING[FormOpen], FITTING[Reversed]


def test_a_life_goes_through_every_state() -> None:
    assert [type(state) for state in states()] == [Issued, FormOpen, FormConfirmed, Reversed, Returned]


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_an_event_that_does_not_fit_changes_nothing(event: AnyInvoiceEvent) -> None:
    for state in states():
        if type(event).__name__ not in FITTING[type(state)]:
            assert evolve(state, event) is state


@pytest.mark.parametrize("event", ALL[1:], ids=lambda event: type(event).__name__)
def test_a_stream_begins_with_the_invoice(event: AnyInvoiceEvent) -> None:
    with pytest.raises(NotBegun, match=type(event).__name__):
        evolve(None, event)


def test_the_posting_moves_on_in_every_state() -> None:
    changed = LIFE[1].model_copy(update={"posting_status": "not_recorded"})
    for state in states():
        assert evolve(state, changed).posting == Posting("not_recorded", orders.SEEN)
