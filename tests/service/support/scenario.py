"""given / when / then over the whole write side's rules, for any number of invoices and the claims between them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from events.catalogue import json_of, name_of, read_event
from events.commands import AnyCommand
from events.invoice_events import AnyInvoiceEvent
from events.values import Route
from rules.calendar import MAINLAND_CHINA
from service.invoice.claim_changes import claim_changes, claims_held
from service.invoice.claim_overlay import Overlay
from service.invoice.claims import Claim, Holder
from service.invoice.decide import decide
from service.invoice.decision import Decision
from service.invoice.evolve import evolve
from service.invoice.moment import Moment, Policy
from service.invoice.needed_claims import needed_by
from service.invoice.refusals import Refusal
from service.invoice.state import Invoice, Issued
from tests.service.support.orders import NUMBER

NOW = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)


class Scenario:
    """Invoices and claims, loaded afresh for each command as the store would: only what is named and held."""

    def __init__(self, general_recorded_route: Route = "simple") -> None:
        self.policy = Policy(general_recorded_route, timedelta(minutes=5), timedelta(hours=2))
        self.now = NOW
        self.streams: dict[str, list[AnyInvoiceEvent]] = {}
        self.claims: dict[Claim, Holder] = {}
        self.decision: Decision = ()
        self.decided = 0

    def given(self, *commands: AnyCommand) -> "Scenario":
        """Decide commands that have to be accepted."""
        for command in commands:
            self.when(command)
            assert not isinstance(self.decision, Refusal), self.decision
        return self

    def when(self, command: AnyCommand) -> "Scenario":
        """Decide a command; its id for a new return or reissue is id-1, id-2, ..."""
        self.decided += 1
        state = self.state(command.invoice_number)
        overlay = Overlay(self.loaded(command, state))
        self.decision = decide(state, overlay, command, self.moment(f"id-{self.decided}"))
        if not isinstance(self.decision, Refusal):
            for event in self.decision:
                overlay.apply(claim_changes(state, event))
                state = evolve(state, event)
                self.streams.setdefault(event.invoice_number, []).append(
                    read_event(name_of(type(event)), json_of(event))  # as the store gives it back
                )
            assert self.state(command.invoice_number) == state
            self._save(overlay)
        return self

    def then(self, event: type[AnyInvoiceEvent], **facts: Any) -> None:
        """Expect one event that says these facts."""
        assert not isinstance(self.decision, Refusal), self.decision
        assert [type(one) for one in self.decision] == [event]
        assert {name: getattr(self.decision[0], name) for name in facts} == facts

    def then_nothing(self) -> None:
        """Expect the command to be accepted with nothing to append."""
        assert self.decision == ()

    def then_refused(self, code: str, **facts: Any) -> None:
        """Expect a refusal with exactly these facts. It has no events, so that nothing can be appended."""
        assert isinstance(self.decision, Refusal), self.decision
        assert (self.decision.code, self.decision.details) == (code, facts)
        assert "{" not in self.decision.message

    def then_refused_fields(self, *codes: str) -> Mapping[str, Any]:
        """Expect a refusal for these faults, in this order; return the facts of the first."""
        assert isinstance(self.decision, Refusal), self.decision
        faults: Any = self.decision.details["faults"]
        assert [fault["code"] for fault in faults] == list(codes)
        assert self.decision.code == codes[0]
        assert all(fault["message"] in self.decision.message for fault in faults)
        return faults[0]

    def state(self, number: str = NUMBER) -> Invoice | None:
        state = None
        for event in self.streams.get(number, ()):
            state = evolve(state, event)
        return state

    def return_id(self, number: str = NUMBER) -> str:
        state = self.state(number)
        assert state is not None
        assert not isinstance(state, Issued)
        return state.latest.return_id

    def loaded(self, command: AnyCommand, state: Invoice | None) -> dict[Claim, Holder]:
        """Return what the store would load."""
        wanted = needed_by(command)
        own = claims_held(state) if state and wanted.own else frozenset[Claim]()
        return {
            claim: holder
            for claim, holder in self.claims.items()
            if claim in wanted.claims | own or (holder.invoice_number, holder.reissue_id) in wanted.holds
        }

    def moment(self, fresh_id: str) -> Moment:
        return Moment(self.now, MAINLAND_CHINA, fresh_id, self.policy)

    def _save(self, overlay: Overlay) -> None:
        for change in overlay.net():
            assert self.claims.get(change.claim) == change.was, "the compare-and-set would fail"
            if change.now is None:
                del self.claims[change.claim]
            else:
                self.claims[change.claim] = change.now
