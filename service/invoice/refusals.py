"""Refusals: the reply that says no. They are values, not errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from events.refusal_codes import Code
from service.invoice.refusal_kinds import KINDS


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing changed. details hold the facts, ready for JSON."""

    code: Code
    message: str
    details: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field of a command."""

    code: Code
    field: str
    message: str
    facts: Mapping[str, JsonValue]

    def as_json(self) -> dict[str, JsonValue]:
        """Return the fault as it stands in ``details.faults``."""
        return {"code": self.code, "field": self.field, "message": self.message, **self.facts}


def refuse(code: Code, /, *, said: str = "", **facts: JsonValue) -> Refusal:
    """Refuse with a code and its facts; said is the part of the sentence that is not a fact of its own."""
    return Refusal(code, _sentence(code, said, facts), facts)


def fault(code: Code, field: str, /, *, said: str = "", **facts: JsonValue) -> FieldFault:
    """Find fault with a field of a command."""
    return FieldFault(code, field, _sentence(code, said, facts), facts)


def refuse_fields(faults: Sequence[FieldFault]) -> Refusal:
    """Refuse for all faults at once, in the order of docs/contract.md#requestreturn; the first gives the code."""
    message = " ".join(fault.message for fault in faults)
    return Refusal(faults[0].code, message, {"faults": [fault.as_json() for fault in faults]})


def _sentence(code: Code, said: str, facts: Mapping[str, JsonValue]) -> str:
    return KINDS[code].sentence.format_map({"said": said, **facts})
