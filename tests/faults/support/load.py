"""The load: what outside services publish, and what each of them must be answered.

An invoice's commands come one after the other, each published once the one before has its reply, as the contract asks
of commands that depend on each other across topics. Many invoices run side by side, and unreadable records in between.
"""

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from events.catalogue import COMMAND_TYPES
from events.commands import AnyCommand
from events.topics import Channel

SOURCE = "urn:tests:load"


@dataclass(frozen=True)
class Answer:
    """What the reply to a record must say."""

    code: str | None = None
    status: str | None = None
    events: tuple[str, ...] = ()
    version: int | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Sent:
    """One record: where it goes, its bytes, and its answer (None: it is unreadable and gets no reply)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    id: str | None
    answer: Answer | None
    dead: bool = False


def command(
    name: str,
    number: str,
    id_: str,
    answer: Answer,
    *,
    topic: str | None = None,
    **body: Any,
) -> Sent:
    """Build a readable command in binary mode."""
    channel = COMMAND_TYPES[f"{name}.v1"].CHANNEL.value
    value = json.dumps({"invoice_number": number, **body}).encode()
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", id_.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", f"redletter.invoice.{name}.v1".encode()),
        ("content-type", b"application/json"),
    )
    return Sent(topic or channel, number.encode(), value, headers, id_, answer)


@dataclass
class Script:
    """The commands of one invoice, in order."""

    number: str
    steps: list[Sent] = field(default_factory=list[Sent])
    version: int = 0
    status: str = "issued"

    def accepted(self, name: str, *events: str, status: str | None = None, **body: Any) -> Sent:
        """Add a command that is accepted and leads to these events."""
        self.version += len(events)
        self.status = status or self.status
        answer = Answer(status=self.status, events=events, version=self.version)
        return self._add(name, answer, body)

    def refused(self, name: str, code: str, *, version: bool = True, topic: str | None = None, **body: Any) -> Sent:
        """Add a command that is refused."""
        answer = Answer(code=code, version=self.version if version else None)
        return self._add(name, answer, body, topic=topic)

    def again(self, sent: Sent) -> None:
        """Add the same record once more: the first reply again."""
        answer = sent.answer
        assert answer is not None
        replayed = Answer(answer.code, answer.status, answer.events, answer.version, replayed=True)
        self.steps.append(Sent(sent.topic, sent.key, sent.value, sent.headers, sent.id, replayed))

    def reused(self, sent: Sent, **body: Any) -> None:
        """Add another body under the id of an earlier record."""
        value = json.dumps({**json.loads(sent.value or b"{}"), **body}).encode()
        answer = Answer(code="IDEMPOTENCY_KEY_REUSED")
        self.steps.append(Sent(sent.topic, sent.key, value, sent.headers, sent.id, answer))

    def _add(self, name: str, answer: Answer, body: dict[str, Any], *, topic: str | None = None) -> Sent:
        id_ = f"{self.number}-{len(self.steps)}"
        sent = command(name, self.number, id_, answer, topic=topic, **body)
        self.steps.append(sent)
        return sent


def _invoice(script: Script, kind: str) -> dict[str, Any]:
    return {
        "account_id": account(script.number),
        "kind": kind,
        "issued_on": "2026-02-13",
        "seller": {"name": "Seller", "tax_id": "91330106MA2CFLDG4R"},
        "buyer": {"name": "Buyer", "tax_id": "91110108551385082Q"},
        "net_amount": "100.00",
        "tax_amount": "6.00",
        "total_amount": "106.00",
        "charges": [{"charge_id": f"charge-{script.number}", "amount": "106.00"}],
    }


def account(number: str) -> str:
    """Return the account that an invoice belongs to."""
    return f"account-{int(number) % 7}"


def _form(script: Script, kind: str, state: str) -> dict[str, Any]:
    return {
        "number": form_number(script.number),
        "state": state,
        "invoice_number": script.number,
        "kind": kind,
        "seller_tax_id": "91330106MA2CFLDG4R",
        "buyer_tax_id": "91110108551385082Q",
        "net_amount": "-100.00",
        "tax_amount": "-6.00",
        "reason_code": "01",
        "entered_at": "2026-02-13T10:00:00+08:00",
    }


def form_number(number: str) -> str:
    """Return the form number that a script uses for its invoice."""
    return f"33{number[2:]}"


def _reversal(script: Script) -> None:
    credit_note: dict[str, Any] = {
        "credit_note_number": f"269{script.number[3:]}",
        "issued_on": "2026-02-14",
        "form_number": form_number(script.number),
        "net_amount": "-100.00",
        "tax_amount": "-6.00",
    }
    wrong: dict[str, Any] = {**credit_note, "net_amount": "-99.00"}
    script.refused("RecordCreditNote", "CREDIT_NOTE_AMOUNT_MISMATCH", **wrong)
    script.accepted("RecordCreditNote", "CreditNoteIssued", status="reversed_with_credit_note", **credit_note)
    number = credit_note["credit_note_number"]
    done = script.accepted("CompleteReturn", "InvoiceReturned", status="returned", credit_note_number=number)
    script.again(done)
    script.refused("CancelReturn", "NO_RETURN_IN_PROGRESS", account_id=account(script.number))


def simple(number: str) -> Script:
    """Write the script of a general invoice: the simple route."""
    script = Script(number)
    own: dict[str, Any] = {"account_id": account(number)}
    registered = script.accepted("RegisterInvoice", "InvoiceIssued", **_invoice(script, "general"))
    script.again(registered)
    script.reused(registered, remarks="another body")
    script.refused("AmendInvoice", "ISSUED_INVOICE_IMMUTABLE", **own, changes={"remarks": "x"})
    script.refused("RequestReturn", "INVOICE_NOT_FOUND", version=False, account_id="somebody else")
    script.accepted("RequestReturn", "ReturnRequested", status="return_in_progress", **own)
    script.refused("RequestReturn", "RETURN_ALREADY_IN_PROGRESS", **own)
    script.refused(
        "RecordCreditNote",
        "CREDIT_NOTE_BEFORE_CONFIRMATION",
        credit_note_number=f"269{number[3:]}",
        issued_on="2026-02-14",
        form_number=form_number(number),
        net_amount="-100.00",
        tax_amount="-6.00",
    )
    script.accepted("ConfirmRedFontForm", "RedFontFormConfirmed", form=_form(script, "general", "01"))
    _reversal(script)
    return script


def form(number: str) -> Script:
    """Write the script of a recorded special invoice: the form route, once refused by the tax side."""
    script = Script(number)
    own: dict[str, Any] = {"account_id": account(number)}
    ask = {**own, "red_font_form_number": form_number(number), "reason": "wrong_amount", "remarks": f"for {number}"}
    script.accepted("RegisterInvoice", "InvoiceIssued", **_invoice(script, "special"))
    script.refused("RequestReturn", "POSTING_STATUS_UNKNOWN", **own)
    observed = {"posting_status": "recorded", "observed_at": "2026-02-13T09:00:00+08:00"}
    script.accepted("RecordPostingStatus", "PostingStatusChanged", **observed)
    script.refused("RequestReturn", "RED_FONT_FORM_NUMBER_REQUIRED", **own)
    first = script.accepted("RequestReturn", "ReturnRequested", status="return_in_progress", **ask)
    script.accepted("RejectRedFontForm", "ReturnRefused", status="issued", form_number=form_number(number))
    script.again(first)
    script.accepted("RequestReturn", "ReturnRequested", status="return_in_progress", **ask)
    script.refused("CancelReturn", "RETURN_CANNOT_BE_CANCELLED", **own)
    script.refused("CancelReturn", "WRONG_CHANNEL", version=False, topic=Channel.TAX.value, **own)
    confirmed = _form(script, "special", "04")
    script.accepted("ConfirmRedFontForm", "RedFontFormConfirmed", form=confirmed)
    script.accepted("ConfirmRedFontForm", form=confirmed)
    _reversal(script)
    return script


def scripts(count: int, first: int = 1) -> list[Script]:
    """Write the scripts of ``count`` invoices, both routes in turn."""
    numbers = [f"26{first + index:018d}" for index in range(count)]
    return [route(number) for number, route in zip(numbers, itertools.cycle((simple, form)), strict=False)]


def unreadable(number: str, rng: random.Random) -> Iterator[Sent]:
    """Yield one record of each kind that is not a command, for the partition of ``number``."""
    topics = [channel.value for channel in Channel]
    good = command("CancelReturn", number, "unused", Answer(), account_id="a")

    def bad(
        id_: str | None = None,
        *,
        key: bytes | None = good.key,
        value: bytes | None = good.value,
        drop: Sequence[str] = (),
        more: Sequence[tuple[str, bytes | None]] = (),
    ) -> Sent:
        kept = [(name, raw) for name, raw in good.headers if name != "ce_id" and name not in drop]
        if id_:
            kept.append(("ce_id", id_.encode()))
        answer = Answer(code="MALFORMED_COMMAND") if id_ and "ce_source" not in drop else None
        return Sent(rng.choice(topics), key, value, (*kept, *more), id_ if answer else None, answer, dead=True)

    ids = (f"bad-{number}-{index}" for index in itertools.count())
    nested = b'{"invoice_number": "%s", "account_id": "a", "changes": {"a": ' % number.encode()
    body = good.value or b""
    yield bad(next(ids), value=b'{"invoice_number": ')
    yield bad(next(ids), value=body.replace(b'"a"', b"7"))
    yield bad(next(ids), key=b"\xff\xfe")
    yield bad(next(ids), key=None)
    yield bad(next(ids), value=b"\xff\xfe\x00")
    yield bad(next(ids), value=None)
    yield bad(next(ids), value=body.replace(b'"a"', rb'"a\u0000b"'))
    yield bad(next(ids), value=nested + b"[" * 5000 + b"]" * 5000 + b"}}")
    yield bad(next(ids), value=body[:-1] + b', "padding": "' + b"x" * 900_000 + b'"}')
    yield bad(next(ids), drop=["ce_type"], more=[("ce_type", b"redletter.invoice.Unknown.v1")])
    yield bad(next(ids), drop=["ce_type"], more=[("ce_type", None)])
    yield bad(more=[("ce_id", b"\xff\xfe")])
    yield bad(more=[("ce_id", None)])
    yield bad(next(ids), drop=["ce_source"])
    yield bad(next(ids), drop=["ce_specversion"], more=[("x-any", None), ("x-bytes", b"\xff\x00\xfe")])
    yield bad(value=b"", drop=["ce_source", "ce_type", "ce_specversion", "content-type"])


_ = AnyCommand
