"""A state machine that sends commands to Redletter and asks the naive seed what must come of each.

Which Redletter it talks to is a `World`: the rules alone, or the roles on real servers.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, Protocol, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from events.commands import AnyCommand
from events.invoice_events import AnyInvoiceEvent, ReturnRefused
from events.values import Buyer
from tests.end_to_end.support.seed import Paper, Seed
from tests.service.support import orders

MAX_STEPS = 50
"""Steps of one run."""

INVOICES = 4
STATES = ["02", "03", "02", "03", *(f"{state:02d}" for state in range(5, 14)), "99"]
ANOTHER = "26999999990000000000"
WRONG: list[dict[str, Any]] = [
    {"about": ANOTHER},
    *({"state": state} for state in STATES),
    {"kind": "general"},
    {"seller_tax_id": "X"},
    {"buyer_tax_id": None},
    {"net_amount": Decimal("-0.01")},
    {"tax_amount": Decimal("6.00")},
    {"reason_code": "02"},
]


class Outcome(NamedTuple):
    """What came of a command: a refusal's code or the events' names or nothing, and the last event."""

    answer: str
    event: AnyInvoiceEvent | None
    status: str | None


class World(Protocol):
    """A Redletter to talk to."""

    now: datetime

    def names(self) -> int:
        """Return a number that no other run in this world has had, for invoices of its own."""
        ...

    def submit(self, command: AnyCommand) -> Outcome:
        """Send a command, and wait for all that comes of it."""
        ...

    def pass_time(self, days: int) -> None:
        """Let days pass, where that can be done."""
        ...

    def document(self, number: str, version: int) -> dict[str, Any]:
        """Return the status document of an invoice, not older than this version."""
        ...


class Step(NamedTuple):
    """What to do next, with which invoice, and three numbers to choose by."""

    do: str
    invoice: int
    a: int
    b: int
    c: int


NUMBERS = st.integers(0, 23)
STEPS = st.builds(
    Step,
    st.sampled_from(["onwards"] * 12 + ["register", "observe", "ask", "form", "credit", "stray", "reissue", "late"]),
    st.integers(0, INVOICES - 1),
    NUMBERS,
    NUMBERS,
    NUMBERS,
)


def pick(choices: Sequence[Any], at: int) -> Any:
    return choices[at % len(choices)]


class Machine(RuleBasedStateMachine):
    """One run: four invoices that share forms, charges and numbers."""

    world: ClassVar[World]
    reached: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.seed = Seed()
        run = self.world.names()
        self.numbers = [f"26{run:08d}{index:010d}" for index in range(INVOICES)]
        self.forms = [f"33{run:08d}{index:010d}" for index in range(3)]
        self.notes = [*(f"26{run:08d}9{index:09d}" for index in range(3)), self.numbers[-1]]
        self.charges = [f"{run}-{index}" for index in range(3)]
        self.due: datetime | None = None

    @rule(step=STEPS)
    def step(self, step: Step) -> None:
        """Send one command, and hold what comes of it against the seed."""
        command = self.command(step)
        expected = self.seed.answer(command, self.world.now)
        outcome = self.world.submit(command)
        assert outcome.answer == expected, command
        self.reached[expected or "nothing"] += 1
        self.reached["steps"] += 1
        if outcome.event is not None:
            self.seed.take(command, expected, outcome.event)
            if isinstance(outcome.event, ReturnRefused):
                self.reached[outcome.event.code] += 1
        paper = self.seed.papers.get(command.invoice_number)
        if paper and outcome.status is not None:
            assert outcome.status == paper.status
            shown = compared(self.world.document(paper.number, paper.version))
            assert shown == self.seed.document(paper.number)

    def command(self, step: Step) -> AnyCommand:
        number = self.numbers[step.invoice]
        paper = self.seed.papers.get(number)
        if paper is None or step.do == "register":
            return self.new(number, step)
        if step.do == "onwards":
            return self.onwards(paper, step)
        if step.do == "late":
            self.world.pass_time(days=step.a)
            return orders.overdue(paper.return_id or "none", number)
        return self.anything(paper, step)[step.do]()

    def new(self, number: str, step: Step) -> AnyCommand:
        """Register an invoice, often as the replacement that charges are held for."""
        open_ = [
            (paper.number, reissue_id)
            for paper in self.seed.papers.values()
            for reissue_id in paper.reissues
            if self.seed.held(paper.number, reissue_id)
        ]
        if open_ and step.a % 4:
            original, reissue_id = pick(open_, step.b)
            charges = sorted(self.seed.held(original, reissue_id))
            charges += ["on no invoice"] if step.c < 4 else []
            account = {"account_id": "another"} if step.c == 5 else {}
            return orders.register(number, charges=charges, replaces=orders.replaces(original, reissue_id), **account)
        wrong: dict[str, Any] = {
            16: {"account_id": "another"},
            17: {"total_amount": Decimal("1.00")},
            18: {"issued_on": "2025-01-01"},
            19: {"issued_on": "2126-02-01"},
            20: {"buyer": Buyer(name="王")},
        }.get(step.c, {})
        if step.c in {6, 7, 8}:
            discounted = (orders.charge(f"{number}-1", "212.00"), orders.charge(f"{number}-2", "-106.00"))
            sums = {"net_amount": Decimal("100.00"), "tax_amount": Decimal("6.00"), "total_amount": Decimal("106.00")}
            return orders.register(number, charges=discounted, **sums)
        charges = pick([self.charges[:1], self.charges[:2], self.charges[1:2], self.charges[2:]], step.a)
        return orders.register(number, charges=charges, kind=pick(("special", "special", "general"), step.b), **wrong)

    def onwards(self, paper: Paper, step: Step) -> AnyCommand:
        """Take the next step on the way of the invoice; now and then the tax side has no luck."""
        if paper.status == "return_in_progress" and step.b in {5, 6}:
            return orders.fail(paper.return_id or "none", paper.number, permanent=step.c == 0)
        if paper.status == "issued":
            return self.ask(paper, step)
        if paper.status == "return_in_progress" and not paper.confirmed:
            return self.form(paper, step, pick(WRONG, step.c) if step.b < 4 else {})
        if paper.status == "return_in_progress":
            wrong = {
                0: {"tax_amount": Decimal("-6.01")},
                1: {"issued_on": "2026-01-31"},
                2: {"issued_on": "2025-02-14"},
            }
            return self.credit(paper, step, **wrong.get(step.c, {}))
        return self.after(paper, step)

    def ask(self, paper: Paper, step: Step) -> AnyCommand:
        if paper.posting == "unknown" and paper.body.kind == "special":
            return orders.observe(pick(("recorded", "recorded", "not_recorded"), step.b), paper.number)
        if paper.posting == "recorded" and paper.body.kind == "special" and step.b < 4:
            return self.anything(paper, step)["ask"]()
        if paper.posting == "recorded" and (paper.body.kind == "special" or step.b % 2):
            return orders.ask_return(paper.number, red_font_form_number=pick(self.forms, step.a))
        return orders.ask_simply(paper.number, remarks="x" * 383 if step.c == 9 else None)

    def form(self, paper: Paper, step: Step, wrong: dict[str, Any]) -> AnyCommand:
        matching = {
            "number": paper.form or pick(self.forms, step.a),
            "kind": paper.body.kind,
            "buyer_tax_id": paper.body.buyer.tax_id,
            "net_amount": -paper.body.net_amount,
            "tax_amount": -paper.body.tax_amount,
        }
        return orders.confirm(paper.number, **(matching | wrong))

    def credit(self, paper: Paper, step: Step, **wrong: Any) -> AnyCommand:
        matching = {
            "form_number": paper.form or self.forms[0],
            "credit_note_number": pick(self.notes, step.a),
            "net_amount": -paper.body.net_amount,
            "tax_amount": -paper.body.tax_amount,
        }
        return orders.credit(paper.number, **(matching | wrong))

    def after(self, paper: Paper, step: Step) -> AnyCommand:
        """Continue once the original is void: complete it, and have its charges invoiced again."""
        if paper.status == "reversed_with_credit_note" and step.a % 2:
            return orders.complete(paper.number, paper.note[0] if paper.note else self.notes[0])
        for reissue_id, asked in paper.reissues.items():
            replacement = self.seed.replacement(paper.number, reissue_id)
            if replacement and asked["linked"] is None:
                return orders.link(reissue_id, replacement, paper.number)
            if asked["linked"] is None and step.b % 3 == 1:
                return orders.refuse_reissue(reissue_id, paper.number)
            if asked["linked"] is None:
                free = next((other for other in self.numbers if other not in self.seed.papers), paper.number)
                return self.new(free, step)
        selected = pick([paper.charges[:1], paper.charges[:2], paper.charges[1:2]], step.b)
        return orders.reissue(*selected, number=paper.number)

    def anything(self, paper: Paper, step: Step) -> dict[str, Callable[[], AnyCommand]]:
        """Return what may or may not fit."""
        number, return_id = paper.number, paper.return_id or "none"
        seen = self.world.now + timedelta(hours=step.a - 10)
        asked = {
            "red_font_form_number": pick([*self.forms, None, "", "33", "３" * 20, f" {self.forms[0]}-"], step.a),
            "posting_status": pick([None, None, "recorded", "not_recorded", "unknown"], step.b),
            "reason": pick(["wrong_amount", "wrong_amount", None], step.c),
            "remarks": pick([number, number, f"{number}0", None, number + " " * 363, f"No.{number}."], step.a + step.c),
        }
        stray: list[Callable[[], AnyCommand]] = [
            lambda: orders.cancel(number),
            lambda: orders.amend(number),
            lambda: orders.reject(number),
            lambda: orders.reject(number, form_number=pick(self.forms, step.b)),
            lambda: orders.fail(return_id, number, permanent=step.b == 0),
            lambda: orders.fail("another", number),
            lambda: orders.revise(return_id, number),
            lambda: orders.complete(number, pick(self.notes, step.b)),
            lambda: orders.ask_return(number, account_id="another"),
            lambda: orders.refuse_reissue("none", number),
            lambda: orders.link("none", self.numbers[-1], number),
        ]
        return {
            "observe": lambda: orders.observe(pick(("recorded", "not_recorded"), step.b), number, observed_at=seen),
            "ask": lambda: orders.ask_return(number, **asked),
            "form": lambda: self.form(paper, step, pick(WRONG, step.b + step.c)),
            "credit": lambda: self.credit(paper, step, **pick([{}, WRONG[-3], {"form_number": self.forms[0]}], step.b)),
            "reissue": lambda: orders.reissue(*pick([self.charges[:1], self.charges[1:], []], step.b), number=number),
            "stray": pick(stray, step.a),
        }


def compared(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a status document that the seed has an opinion on."""
    judged = {
        "status": document["status"]["code"],
        **{key: document[key] for key in ("return_complete", "original_void", "posting_status", "actions", "version")},
        "replacement_numbers": set(document["replacement_numbers"]),
        "refusal": document.get("last_refusal", {}).get("code"),
        "credit_note": document.get("credit_note_number"),
    }
    latest = document.get("return", {})
    return judged | {key: latest[key] for key in ("return_id", "route", "overdue", "attempts", "phase") if latest}


def play(world: World, examples: int) -> Counter[str]:
    """Run the machine in a world; return what was reached, and how often."""

    class InThisWorld(Machine):
        pass

    InThisWorld.world, InThisWorld.reached = world, Counter()
    run_state_machine_as_test(
        InThisWorld,
        settings=settings(
            max_examples=examples,
            stateful_step_count=MAX_STEPS,
            derandomize=True,
            suppress_health_check=cast("Any", list(HealthCheck)),
        ),
    )
    return InThisWorld.reached
