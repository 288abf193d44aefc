"""The rules and a naive model of the seed, side by side: whatever is sent, both decide the same."""

import itertools
import json
from datetime import datetime, timedelta
from typing import Any, get_args

from events.catalogue import EVENT_TYPES, json_of
from events.commands import AnyCommand
from events.refusal_codes import RuleCode
from events.status import InvoiceStatus
from projections.status.fold import fold
from service.invoice.refusals import Refusal
from service.invoice.state import status_of
from tests.end_to_end.support.machine import MAX_STEPS, Outcome, World, play
from tests.end_to_end.support.stories import ENDS, WITH_SEALING
from tests.service.support.scenario import Scenario

STEPS = 5000


class Rules(World):
    """The rules alone: decide, evolve and the status fold."""

    def __init__(self) -> None:
        self._run = itertools.count()
        self.scenario = Scenario()

    @property
    def now(self) -> datetime:  # type: ignore[override] - read, and never set
        return self.scenario.now

    def names(self) -> int:
        self.scenario = Scenario()
        return next(self._run)

    def pass_time(self, days: int) -> None:
        self.scenario.now += timedelta(days=days)

    def submit(self, command: AnyCommand) -> Outcome:
        self.scenario.now += timedelta(minutes=1)
        decision = self.scenario.when(command).decision
        if isinstance(decision, Refusal):
            return Outcome(decision.code, None, None)
        state = self.scenario.state(command.invoice_number)
        assert state is not None
        event = decision[-1] if decision else None
        return Outcome("+".join(type(one).__name__ for one in decision), event, status_of(state))

    def document(self, number: str, version: int) -> dict[str, Any]:
        document: InvoiceStatus | None = None
        for at, event in enumerate(self.scenario.streams[number], 1):
            document = fold(document, event, at)
        assert document is not None
        assert document.version == version
        return json.loads(json_of(document))


def test_the_rules_and_the_seed_agree_in_thousands_of_steps() -> None:
    reached = play(Rules(), examples=3 * STEPS // MAX_STEPS)
    assert reached["steps"] >= STEPS
    wanted = {name.removesuffix(".v1") for name in EVENT_TYPES} | {*get_args(RuleCode)} | {*ENDS, "nothing"}
    unknown_to_the_seed = {*WITH_SEALING, "INVOICE_NOT_SEALED"}
    assert sorted(wanted - reached.keys() - unknown_to_the_seed) == [], "never reached"
