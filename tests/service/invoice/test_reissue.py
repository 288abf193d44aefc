"""A new invoice for the charges of a returned one."""

from decimal import Decimal
from typing import Any

from events.invoice_events import InvoiceIssued, ReissueRefused, ReissueRequested, ReplacementIssued
from events.values import Buyer
from service.invoice.claims import Claim
from tests.service.support import orders
from tests.service.support.scenario import NOW, Scenario

IN_FULL: dict[str, Any] = {"net_amount": Decimal("-200.00"), "tax_amount": Decimal("-12.00")}
REVERSED = (
    orders.register(charges=(orders.charge("c1", "200.00"), orders.charge("c2", "12.00"))),
    orders.observe(),
    orders.ask_return(),
    orders.confirm(**IN_FULL),
    orders.credit(**IN_FULL),
)
REISSUE = "id-6"
HELD = (*REVERSED, orders.reissue("c2"))
REPLACEMENT = orders.register(
    orders.OTHER_NUMBER,
    charges=(orders.charge("c2", "12.00"),),
    net_amount=Decimal("12.00"),
    tax_amount=Decimal("0.00"),
    total_amount=Decimal("12.00"),
    replaces=orders.replaces(orders.NUMBER, REISSUE),
)
NONE = {"original_number": orders.NUMBER, "reissue_id": REISSUE}


def test_a_reissue_holds_charges_with_kind_and_buyer_as_they_were(scenario: Scenario) -> None:
    scenario.given(*REVERSED).when(orders.reissue("c2"))
    scenario.then(
        ReissueRequested,
        occurred_at=NOW,
        reissue_id=REISSUE,
        charge_ids=("c2",),
        amount=Decimal("12.00"),
        kind="special",
        buyer=REVERSED[0].buyer,
        remarks=None,
    )


def test_a_reissue_may_name_another_kind_and_buyer(scenario: Scenario) -> None:
    buyer = Buyer(name="another")
    scenario.given(*REVERSED, orders.complete()).when(
        orders.reissue("c2", "c1", kind="general", buyer=buyer, remarks="soon")
    )
    scenario.then(
        ReissueRequested,
        charge_ids=("c2", "c1"),
        amount=Decimal("212.00"),
        kind="general",
        buyer=buyer,
        remarks="soon",
    )


def test_faults_of_a_selection_are_reported_in_order(scenario: Scenario) -> None:
    scenario.given(*HELD).when(orders.reissue()).then_refused("NO_CHARGES_SELECTED")
    scenario.when(orders.reissue("c2", "c9")).then_refused("CHARGE_NOT_ON_ORIGINAL", charge_ids=["c9"])
    scenario.when(orders.reissue("c1", "c2")).then_refused("CHARGE_ALREADY_REINVOICED", charge_ids=["c2"])


def test_charges_that_come_to_nothing_are_not_invoiced(scenario: Scenario) -> None:
    invoice = orders.register(
        charges=(orders.charge("c1", "106.00"), orders.charge("c2", "-106.00"), orders.charge("c3", "106.00")),
        net_amount=Decimal("100.00"),
        tax_amount=Decimal("6.00"),
        total_amount=Decimal("106.00"),
    )
    scenario.given(invoice, orders.observe(), orders.ask_return(), orders.confirm(), orders.credit())
    for selected, amount in ((("c2",), "-106.00"), (("c1", "c2"), "0.00")):
        for _ in range(2):
            scenario.when(orders.reissue(*selected)).then_refused("NOTHING_TO_INVOICE", amount=amount)
    scenario.given(orders.reissue("c1")).when(orders.reissue("c1", "c2"))
    scenario.then_refused("CHARGE_ALREADY_REINVOICED", charge_ids=["c1"])
    scenario.when(orders.reissue("c2", "c3")).then_refused("NOTHING_TO_INVOICE", amount="0.00")


def test_a_reissue_asked_for_twice_is_refused_the_second_time(scenario: Scenario) -> None:
    scenario.given(*HELD).when(orders.reissue("c2")).then_refused("CHARGE_ALREADY_REINVOICED", charge_ids=["c2"])
    scenario.when(orders.reissue("c1")).then(ReissueRequested)


def test_a_released_charge_that_billing_invoiced_again_is_reinvoiced(scenario: Scenario) -> None:
    plain = REPLACEMENT.model_copy(update={"replaces": None})
    scenario.given(*REVERSED, plain).when(orders.reissue("c2"))
    scenario.then_refused("CHARGE_ALREADY_REINVOICED", charge_ids=["c2"])


def test_a_refused_reissue_frees_its_charges_once(scenario: Scenario) -> None:
    scenario.given(*HELD).when(orders.refuse_reissue(REISSUE))
    scenario.then(ReissueRefused, reissue_id=REISSUE, reason="account closed", charge_ids=("c2",))
    scenario.when(orders.refuse_reissue(REISSUE)).then_refused("REISSUE_NOT_FOUND", **NONE)
    scenario.when(orders.link(REISSUE)).then_refused("REISSUE_NOT_FOUND", **NONE)
    scenario.when(REPLACEMENT).then_refused("REISSUE_NOT_FOUND", **NONE)
    scenario.when(orders.reissue("c2")).then(ReissueRequested)


def test_a_reissue_cannot_be_refused_once_its_replacement_is_issued(scenario: Scenario) -> None:
    scenario.given(*HELD, REPLACEMENT).when(orders.refuse_reissue(REISSUE)).then_refused("REISSUE_NOT_FOUND", **NONE)
    scenario.given(orders.link(REISSUE)).when(orders.refuse_reissue(REISSUE)).then_refused("REISSUE_NOT_FOUND", **NONE)


def test_a_replacement_is_linked_once(scenario: Scenario) -> None:
    scenario.given(*HELD, REPLACEMENT).when(orders.link(REISSUE))
    scenario.then(ReplacementIssued, reissue_id=REISSUE, replacement_number=orders.OTHER_NUMBER, charge_ids=("c2",))
    scenario.when(orders.link(REISSUE)).then_nothing()
    scenario.when(orders.link(REISSUE, replacement=orders.OTHER_CREDIT_NOTE)).then_refused("REISSUE_NOT_FOUND", **NONE)


def returned_replacement(scenario: Scenario, *, linked: bool) -> None:
    scenario.given(*HELD, REPLACEMENT, *([orders.link(REISSUE)] if linked else []))
    in_full: dict[str, Any] = {"net_amount": Decimal("-12.00"), "tax_amount": Decimal("0.00")}
    scenario.given(
        orders.observe(number=orders.OTHER_NUMBER),
        orders.ask_return(orders.OTHER_NUMBER, red_font_form_number=orders.OTHER_FORM),
        orders.confirm(orders.OTHER_NUMBER, number=orders.OTHER_FORM, **in_full),
        orders.credit(
            orders.OTHER_NUMBER, form_number=orders.OTHER_FORM, credit_note_number=orders.OTHER_CREDIT_NOTE, **in_full
        ),
    )


def test_a_returned_replacements_charge_is_reissued_from_the_replacement_only(scenario: Scenario) -> None:
    returned_replacement(scenario, linked=True)
    assert scenario.claims[Claim("charge", "c2")].released
    scenario.when(orders.reissue("c2")).then_refused("CHARGE_ALREADY_REINVOICED", charge_ids=["c2"])
    scenario.when(orders.reissue("c2", number=orders.OTHER_NUMBER)).then(ReissueRequested, charge_ids=("c2",))


def test_also_when_the_original_has_not_heard_of_the_replacement_yet(scenario: Scenario) -> None:
    returned_replacement(scenario, linked=False)
    scenario.when(orders.reissue("c2")).then_refused("CHARGE_ALREADY_REINVOICED", charge_ids=["c2"])
    scenario.when(orders.link(REISSUE)).then(ReplacementIssued)


def test_a_replacement_can_be_replaced_in_turn(scenario: Scenario) -> None:
    returned_replacement(scenario, linked=True)
    again = scenario.given(orders.reissue("c2", number=orders.OTHER_NUMBER)).decision
    assert isinstance(again, tuple)
    assert isinstance(again[0], ReissueRequested)
    third = REPLACEMENT.model_copy(
        update={
            "invoice_number": "26000000000000000003",
            "replaces": orders.replaces(orders.OTHER_NUMBER, again[0].reissue_id),
        }
    )
    scenario.when(third).then(InvoiceIssued)
