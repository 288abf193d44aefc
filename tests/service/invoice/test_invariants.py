"""What must hold whatever is sent: random command sequences on invoices that share charges, forms and numbers."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from events import invoice_events
from events.commands import AnyCommand
from service.invoice.claims import Claim, Holder
from service.invoice.refusals import Refusal
from service.invoice.state import FormConfirmed, FormOpen, Invoice, Issued, Returned, Reversed
from tests.service.support import orders
from tests.service.support.scenario import Scenario

SEQUENCES = 2000
NUMBERS = [f"2600000000000000000{n}" for n in range(4)]
FORMS = [f"3301002602000000000{n}" for n in range(3)]
CREDIT_NOTES = [*(f"2600000000000000009{n}" for n in range(3)), NUMBERS[3]]
CHARGES = [("c1",), ("c1", "c2"), ("c2",), ("c3",)]
KINDS = ("special", "general")


class Step(NamedTuple):
    """What to do next: onwards along the way the invoice is on (often), or anything else."""

    do: str
    invoice: int
    a: int
    b: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            ["onwards"] * 20 + ["register", "observe", "return", "form", "stray", "reissue", "late", "link"]
        ),
        st.integers(0, 3),
        st.integers(0, 11),
        st.integers(0, 11),
    ),
    min_size=15,
    max_size=50,
)


def pick(choices: Sequence[Any], at: int) -> Any:
    return choices[at % len(choices)]


def in_full(state: Invoice) -> dict[str, Decimal]:
    return {"net_amount": -state.body.net_amount, "tax_amount": -state.body.tax_amount}


def command(scenario: Scenario, step: Step) -> AnyCommand:
    number = NUMBERS[step.invoice]
    state = scenario.state(number)
    if step.do == "late" and isinstance(state, FormOpen | FormConfirmed):
        scenario.now += timedelta(days=2 * step.a)
        return orders.overdue(state.latest.return_id, number)
    if state is None or step.do == "register":
        return new_invoice(scenario, number, step)
    return (onwards if step.do in {"onwards", "late"} else anything)(scenario, state, number, step)


def new_invoice(scenario: Scenario, number: str, step: Step) -> AnyCommand:
    """Register an invoice; as the replacement where charges are held for one."""
    holds = sorted({holder for holder in scenario.claims.values() if holder.reissue_id})
    if holds and step.a % 4:
        hold = pick(holds, step.b)
        charges = [claim.key for claim, holder in scenario.claims.items() if holder == hold]
        return orders.register(number, charges=charges, replaces=orders.replaces(hold.invoice_number, hold.reissue_id))
    wrong = {"total_amount": Decimal("1.00")} if step.b == 11 else {}
    return orders.register(number, charges=pick(CHARGES, step.a), kind=pick(KINDS, step.b), **wrong)


def onwards(scenario: Scenario, state: Invoice, number: str, step: Step) -> AnyCommand:
    """Take the next step on the way of the invoice."""
    if isinstance(state, FormOpen | FormConfirmed) and step.b in {5, 6}:
        return orders.fail(state.latest.return_id, number)
    match state:
        case Issued():
            return _ask(state, number, step)
        case FormOpen(latest=latest):
            return _confirm_form(state, latest.form_number or pick(FORMS, step.a), step)
        case FormConfirmed(confirmed_form=form_number):
            return orders.credit(
                number, form_number=form_number, credit_note_number=pick(CREDIT_NOTES, step.a), **in_full(state)
            )
        case Reversed() | Returned():
            return _after(scenario, state, number, step)


def _ask(state: Issued, number: str, step: Step) -> AnyCommand:
    if state.posting.status == "unknown" and (state.body.kind == "special" or step.a % 2):
        return orders.observe(pick(("recorded", "not_recorded"), step.b), number)
    if state.posting.status == "recorded" and state.body.kind == "special":
        return orders.ask_return(number, red_font_form_number=pick(FORMS, step.a))
    return orders.ask_simply(number)


def _confirm_form(state: Invoice, form_number: str, step: Step) -> AnyCommand:
    cancelled = {"state": "07"} if step.b == 0 else {}
    body = state.body
    return orders.confirm(body.invoice_number, number=form_number, kind=body.kind, **in_full(state), **cancelled)


def _after(scenario: Scenario, state: Reversed | Returned, number: str, step: Step) -> AnyCommand:
    if isinstance(state, Reversed) and step.a % 2:
        return orders.complete(number, state.credit_note.number)
    unlinked = [one for one in state.reissues if one.replacement_number is None]
    for one in unlinked:
        if replacement := _replacement(scenario, one.reissue_id):
            return orders.link(one.reissue_id, replacement, number)
    if unlinked and step.b % 3 == 1:
        return orders.refuse_reissue(unlinked[0].reissue_id, number)
    if unlinked:
        free = next((other for other in NUMBERS if scenario.state(other) is None), number)
        return new_invoice(scenario, free, step)
    charges = [charge.charge_id for charge in state.body.charges]
    return orders.reissue(*charges[: 1 + step.b % 2], number=number)


def _replacement(scenario: Scenario, reissue_id: str) -> str | None:
    issued = (stream[0] for stream in scenario.streams.values())
    return next((one.invoice_number for one in issued if _is_for(one, reissue_id)), None)


def _is_for(event: invoice_events.AnyInvoiceEvent, reissue_id: str) -> bool:
    return (
        isinstance(event, invoice_events.InvoiceIssued)
        and event.replaces is not None
        and event.replaces.reissue_id == reissue_id
    )


def anything(scenario: Scenario, state: Invoice, number: str, step: Step) -> AnyCommand:
    """Send something that may or may not fit."""
    return_id = "none" if isinstance(state, Issued) else state.latest.return_id
    seen_at = scenario.now + timedelta(minutes=step.a)
    stray: list[Callable[[], AnyCommand]] = [
        lambda: orders.cancel(number),
        lambda: orders.amend(number),
        lambda: orders.reject(number),
        lambda: orders.fail(return_id, number, permanent=step.b == 0),
        lambda: orders.fail(return_id, number),
        lambda: orders.overdue(return_id, number),
        lambda: orders.credit(number, form_number=pick(FORMS, step.b), credit_note_number=pick(CREDIT_NOTES, step.b)),
        lambda: orders.complete(number, pick(CREDIT_NOTES, step.b)),
        lambda: orders.ask_return(number, account_id="another"),
        lambda: orders.refuse_reissue(f"id-{step.b}", number),
    ]
    other: dict[str, Callable[[], AnyCommand]] = {
        "observe": lambda: orders.observe(pick(("recorded", "not_recorded"), step.a), number, observed_at=seen_at),
        "return": lambda: orders.ask_return(number, red_font_form_number=pick([*FORMS, None], step.a)),
        "form": lambda: orders.confirm(number, number=pick(FORMS, step.a), state=f"{1 + step.b:02}"),
        "reissue": lambda: orders.reissue(*pick([*CHARGES, ()], step.a), number=number),
        "link": lambda: orders.link("none", NUMBERS[3], number),
        "stray": pick(stray, step.a),
    }
    return other[step.do]()


def test_the_invariants_hold_whatever_is_sent() -> None:
    reached: Counter[str] = Counter()

    @settings(max_examples=SEQUENCES)
    @given(STEPS)
    def run(steps: list[Step]) -> None:
        scenario = Scenario()
        for step in steps:
            scenario.now += timedelta(minutes=step.b - 1)  # brokers have clocks of their own
            take(scenario, command(scenario, step), reached)
        for stream in scenario.streams.values():
            check_stream(stream)

    run()
    enough = SEQUENCES // 50
    scarce = {kind.__name__ for kind in EVENTS if reached[kind.__name__] < enough}
    assert not scarce, f"hardly reached: {scarce} of {reached}"
    assert reached["refused"] > SEQUENCES
    assert reached["replacement"] > enough


EVENTS = [
    invoice_events.InvoiceIssued,
    invoice_events.ReturnRequested,
    invoice_events.RedFontFormConfirmed,
    invoice_events.ReversalAttemptFailed,
    invoice_events.CreditNoteIssued,
    invoice_events.InvoiceReturned,
    invoice_events.ReturnRefused,
    invoice_events.ReturnOverdue,
    invoice_events.ReissueRequested,
    invoice_events.ReissueRefused,
    invoice_events.ReplacementIssued,
]


def take(scenario: Scenario, order: AnyCommand, reached: Counter[str]) -> None:
    """Decide one command; replay, and the compare-and-set of claims, are checked on the way."""
    streams = {number: list(stream) for number, stream in scenario.streams.items()}
    claims = dict(scenario.claims)
    scenario.when(order)
    if isinstance(scenario.decision, Refusal):
        reached["refused"] += 1
        assert scenario.streams == streams
        assert scenario.claims == claims
        return
    for event in scenario.decision:
        reached[type(event).__name__] += 1
        reached["replacement"] += isinstance(event, invoice_events.InvoiceIssued) and event.replaces is not None
    live = {claim: holder for claim, holder in scenario.claims.items() if not holder.released}
    assert live == claims_of(scenario.streams.values())
    check_released(scenario)


def check_released(scenario: Scenario) -> None:
    """A charge that nobody holds is kept for the account of an invoice that was reversed."""
    for claim, holder in scenario.claims.items():
        if holder.released:
            stream = scenario.streams[holder.invoice_number]
            assert any(
                isinstance(event, invoice_events.CreditNoteIssued) and claim.key in event.released_charge_ids
                for event in stream
            )


def claims_of(streams: Collection[Sequence[invoice_events.AnyInvoiceEvent]]) -> dict[Claim, Holder]:
    """Work out from all events, in any order between invoices, who holds what; nothing may have two holders."""
    taken = [claim for stream in streams for claim in _claims_of(stream)]
    replaced = {
        event.replaces.reissue_id
        for stream in streams
        for event in stream[:1]
        if isinstance(event, invoice_events.InvoiceIssued) and event.replaces
    }
    live = [(claim, holder) for claim, holder in taken if holder.reissue_id not in replaced]
    assert len({claim for claim, _ in live}) == len(live), "a claim has two holders"
    return dict(live)


def _claims_of(stream: Sequence[invoice_events.AnyInvoiceEvent]) -> list[tuple[Claim, Holder]]:
    issued = stream[0]
    assert isinstance(issued, invoice_events.InvoiceIssued)
    own = Holder(issued.invoice_number, orders.ACCOUNT)
    notes = [event for event in stream if isinstance(event, invoice_events.CreditNoteIssued)]
    charges = [] if notes else [charge.charge_id for charge in issued.charges]
    refused = {event.reissue_id for event in stream if isinstance(event, invoice_events.ReissueRefused)}
    asked = [
        event
        for event in stream
        if isinstance(event, invoice_events.ReissueRequested) and event.reissue_id not in refused
    ]
    return [
        (Claim("document", own.invoice_number), own),
        *((Claim("document", note.credit_note_number), own) for note in notes),
        *((Claim("charge", charge_id), own) for charge_id in charges),
        *((Claim("form", number), own) for number in _forms_of(stream)),
        *(
            (Claim("charge", charge_id), Holder(own.invoice_number, orders.ACCOUNT, one.reissue_id))
            for one in asked
            for charge_id in one.charge_ids
        ),
    ]


def _forms_of(stream: Sequence[invoice_events.AnyInvoiceEvent]) -> set[str]:
    refused = {event.return_id for event in stream if isinstance(event, invoice_events.ReturnRefused)}
    customers = {
        event.red_font_form_number
        for event in stream
        if isinstance(event, invoice_events.ReturnRequested)
        and event.return_id not in refused
        and event.red_font_form_number
    }
    confirmed = {
        event.form.number
        for event in stream
        if isinstance(event, invoice_events.RedFontFormConfirmed) and event.return_id not in refused
    }
    return customers | confirmed


def check_stream(stream: Sequence[invoice_events.AnyInvoiceEvent]) -> None:
    """One active return; only its refusal or its credit note ends it; reversed is for ever, in full, and once."""
    issued, active, reversed_by, returned = stream[0], None, None, False
    assert isinstance(issued, invoice_events.InvoiceIssued)
    times = [event.occurred_at for event in stream]
    assert times == sorted(times)
    for event in stream[1:]:
        match event:
            case invoice_events.ReturnRequested():
                assert active is None
                assert reversed_by is None
                assert event.route == "simple" or _names(event)
                active = event.return_id
            case (
                invoice_events.RedFontFormConfirmed()
                | invoice_events.ReversalAttemptFailed()
                | invoice_events.ReturnOverdue()
            ):
                assert event.return_id == active
            case invoice_events.ReturnRefused():
                assert event.return_id == active
                active = None
            case invoice_events.CreditNoteIssued():
                assert event.return_id == active
                assert (event.net_amount, event.tax_amount) == (-issued.net_amount, -issued.tax_amount)
                active, reversed_by = None, event.credit_note_number
            case invoice_events.InvoiceReturned():
                assert event.credit_note_number == reversed_by
                assert not returned
                returned = True
            case (
                invoice_events.ReissueRequested() | invoice_events.ReissueRefused() | invoice_events.ReplacementIssued()
            ):
                assert reversed_by is not None
            case _:
                pass


def _names(event: invoice_events.ReturnRequested) -> bool:
    remarks = unicodedata.normalize("NFKC", event.remarks or "")
    return event.invoice_number in remarks and event.red_font_form_number is not None and event.reason is not None
