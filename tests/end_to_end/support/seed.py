"""The seed played by hand: every rule as one plain sentence of code, over plain dictionaries. Deliberately naive.

It shares nothing with the rules it is held against: no states, no claims, no fold. Who has what is looked for in all
invoices, every time.
"""

import unicodedata
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

LABELS = {
    "issued": ["details", "return"],
    "return_in_progress": ["details"],
    "reversed_with_credit_note": ["details", "reissue"],
    "returned": ["details", "reissue"],
}
NOTHING = ""
NONE = "NO_RETURN_IN_PROGRESS"


@dataclass
class Paper:
    """One invoice as a clerk would keep it."""

    number: str
    body: Any
    status: str = "issued"
    posting: str = "unknown"
    posting_seen: datetime | None = None
    return_id: str | None = None
    route: str = ""
    form: str | None = None
    confirmed: bool = False
    overdue: bool = False
    attempts: int = 0
    due_first: datetime | None = None
    due: datetime | None = None
    refusal: str | None = None
    note: tuple[str, Any, Any] | None = None
    reissues: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    version: int = 0

    @property
    def void(self) -> bool:
        return self.status in ("reversed_with_credit_note", "returned")

    @property
    def charges(self) -> list[str]:
        return [charge.charge_id for charge in self.body.charges]


@dataclass
class Seed:
    """All invoices, and the only questions ever asked of them."""

    papers: dict[str, Paper] = field(default_factory=dict[str, Paper])

    def answer(self, command: Any, now: datetime) -> str:
        """Return the code of the refusal, the name of the event, or nothing."""
        name = type(command).__name__
        paper = self.papers.get(command.invoice_number)
        if name == "RegisterInvoice":
            return self._register(command, now)
        if paper is None or getattr(command, "account_id", paper.body.account_id) != paper.body.account_id:
            return "INVOICE_NOT_FOUND"
        return_id = getattr(command, "return_id", None)
        if return_id is not None and return_id != paper.return_id:
            return NONE
        if name in ("MarkReturnOverdue", "RecordPostingStatus", "RecordCreditNote"):
            return getattr(self, f"_{name}")(paper, command, now)
        return getattr(self, f"_{name}")(paper, command)

    def _register(self, command: Any, now: datetime) -> str:  # noqa: PLR0911 - one rule a line
        number, amount = command.invoice_number, sum(charge.amount for charge in command.charges)
        if number in self.papers or any(paper.note and paper.note[0] == number for paper in self.papers.values()):
            return "INVOICE_ALREADY_REGISTERED"
        if number[:2] != f"{command.issued_on:%y}":
            return "NUMBER_YEAR_MISMATCH"
        if not date(2021, 1, 1) <= command.issued_on <= _tomorrow(now):
            return "ISSUED_ON_IMPLAUSIBLE"
        if command.kind == "special" and not command.buyer.tax_id:
            return "BUYER_TAX_ID_REQUIRED"
        if command.net_amount + command.tax_amount != command.total_amount or amount != command.total_amount:
            return "AMOUNTS_DO_NOT_ADD_UP"
        wanted = {charge.charge_id for charge in command.charges}
        if command.replaces:
            held = self.held(command.replaces.invoice_number, command.replaces.reissue_id)
            if not held or self.papers[command.replaces.invoice_number].body.account_id != command.account_id:
                return "REISSUE_NOT_FOUND"
            return "InvoiceIssued" if wanted == held else "REISSUE_CHARGES_MISMATCH"
        if any(self._place(charge) for charge in wanted):
            return "CHARGE_ALREADY_INVOICED"
        owners = {paper.body.account_id for paper in self.papers.values() if wanted & set(paper.charges)}
        return "InvoiceIssued" if owners <= {command.account_id} else "CHARGE_OF_ANOTHER_ACCOUNT"

    def held(self, number: str, reissue_id: str) -> set[str]:
        """Return the charges that a reissue holds: until it is refused or an invoice takes them over."""
        paper = self.papers.get(number)
        asked = paper.reissues.get(reissue_id) if paper else None
        return set(asked["charges"]) if asked and not self.replacement(number, reissue_id) else set()

    def replacement(self, number: str, reissue_id: str) -> str | None:
        """Return the invoice that names a reissue as what it replaces."""
        for other in self.papers.values():
            replaces = other.body.replaces
            if replaces and (replaces.invoice_number, replaces.reissue_id) == (number, reissue_id):
                return other.number
        return None

    def _place(self, charge: str) -> str | None:
        """Return the live invoice that a charge is on, or the reissue that holds it."""
        for paper in self.papers.values():
            if charge in paper.charges and not paper.void:
                return paper.number
            for reissue_id in paper.reissues:
                if charge in self.held(paper.number, reissue_id):
                    return reissue_id
        return None

    def _user(self, form: str) -> str | None:
        """Return the invoice that a form serves: from its claim on, until the return is refused."""
        return next((paper.number for paper in self.papers.values() if paper.form == form), None)

    def _RequestReturn(self, paper: Paper, command: Any) -> str:  # noqa: C901, PLR0911 - one rule a line
        if paper.void:
            return "INVOICE_ALREADY_REVERSED"
        if paper.status == "return_in_progress":
            return "RETURN_ALREADY_IN_PROGRESS"
        special = paper.body.kind == "special"
        if special and paper.posting == "unknown":
            return "POSTING_STATUS_UNKNOWN"
        if command.posting_status not in (None, paper.posting) and paper.posting != "unknown":
            return "POSTING_STATUS_MISMATCH"
        number, remarks = _form_number(command), command.remarks or ""
        if paper.posting == "recorded" and (special or number):
            if not number:
                return "RED_FONT_FORM_NUMBER_REQUIRED"
            if len(number) != 20 or not (number.isascii() and number.isdigit()):
                return "RED_FONT_FORM_NUMBER_MALFORMED"
            if not command.reason:
                return "RETURN_REASON_REQUIRED"
            if paper.number not in _runs_of_digits(remarks):
                return "REMARKS_MISSING_ORIGINAL_NUMBER"
        elif number:
            return "RED_FONT_FORM_NOT_EXPECTED"
        if len(remarks) > 382:
            return "REMARKS_TOO_LONG"
        return "RED_FONT_FORM_ALREADY_USED" if number and self._user(number) else "ReturnRequested"

    def _CancelReturn(self, paper: Paper, _: Any) -> str:
        return "RETURN_CANNOT_BE_CANCELLED" if paper.status == "return_in_progress" else NONE

    def _AmendInvoice(self, *_: Any) -> str:
        return "ISSUED_INVOICE_IMMUTABLE"

    def _RecordPostingStatus(self, paper: Paper, command: Any, now: datetime) -> str:
        if command.observed_at > now + timedelta(minutes=5):
            return "OBSERVATION_IN_FUTURE"
        if command.posting_status == paper.posting:
            return NOTHING
        late = paper.posting_seen is not None and command.observed_at < paper.posting_seen
        return "STALE_OBSERVATION" if late else "PostingStatusChanged"

    def _ConfirmRedFontForm(self, paper: Paper, command: Any) -> str:
        same = command.form.number == paper.form
        if paper.status == "issued":
            return NONE
        if paper.void:
            return NOTHING if same else NONE
        if paper.confirmed:
            return NOTHING if same else "RED_FONT_FORM_ALREADY_CONFIRMED"
        if paper.route == "form" and not same:
            return "RED_FONT_FORM_NUMBER_MISMATCH"
        misfit = self._misfit(paper, command.form)
        if misfit == "POSTING_STATUS_CHANGED" and paper.posting != "recorded":
            return "PostingStatusChanged+ReturnRefused"
        return "ReturnRefused" if misfit else "RedFontFormConfirmed"

    def _misfit(self, paper: Paper, form: Any) -> str | None:  # noqa: C901, PLR0911 - one rule a line
        body = paper.body
        if form.invoice_number != paper.number:
            return "RED_FONT_FORM_FOR_OTHER_INVOICE"
        if form.kind != body.kind:
            return "RED_FONT_FORM_KIND_MISMATCH"
        ours, theirs = (body.seller.tax_id, body.buyer.tax_id), (form.seller_tax_id, form.buyer_tax_id)
        if [(one or "").lower() for one in ours] != [(one or "").lower() for one in theirs]:
            return "RED_FONT_FORM_PARTY_MISMATCH"
        if form.net_amount + body.net_amount or form.tax_amount + body.tax_amount:
            return "RED_FONT_FORM_AMOUNT_MISMATCH"
        if form.reason_code not in ("01", "03", "04"):
            return "RED_FONT_FORM_REASON_NOT_ALLOWED"
        if form.state not in ("01", "04"):
            if form.state == "02":
                return "POSTING_STATUS_CHANGED" if paper.route == "simple" else "RED_FONT_FORM_AWAITING_BUYER"
            if form.state == "03":
                return "RED_FONT_FORM_AWAITING_SELLER"
            if form.state == "07":
                return "RED_FONT_FORM_EXPIRED"
            kinds = {"05": "REJECTED", "06": "REJECTED", "08": "REVOKED", "09": "REVOKED"}
            kinds |= dict.fromkeys(("10", "11", "12", "13"), "VOID")
            return f"RED_FONT_FORM_{kinds.get(form.state, 'STATE_UNKNOWN')}"
        if paper.route == "simple" and self._user(form.number):
            return "RED_FONT_FORM_ALREADY_USED"
        return None

    def _RejectRedFontForm(self, paper: Paper, command: Any) -> str:
        if paper.status != "return_in_progress":
            return NONE
        if paper.confirmed:
            return "RED_FONT_FORM_ALREADY_CONFIRMED"
        if paper.route == "form" and command.form_number not in (None, paper.form):
            return "RED_FONT_FORM_NUMBER_MISMATCH"
        return "ReturnRefused"

    def _RecordCreditNote(self, paper: Paper, command: Any, now: datetime) -> str:  # noqa: PLR0911 - one rule a line
        number, figures = command.credit_note_number, (command.net_amount, command.tax_amount)
        if paper.status == "issued":
            return NONE
        if paper.void:
            return NOTHING if paper.note == (number, *figures) else "INVOICE_ALREADY_REVERSED"
        if not paper.confirmed:
            return "CREDIT_NOTE_BEFORE_CONFIRMATION"
        if command.form_number != paper.form:
            return "RED_FONT_FORM_NUMBER_MISMATCH"
        if number in self.papers or any(one.note and one.note[0] == number for one in self.papers.values()):
            return "CREDIT_NOTE_NUMBER_MISMATCH"
        if number[:2] != f"{command.issued_on:%y}":
            return "CREDIT_NOTE_NUMBER_MISMATCH"
        if not paper.body.issued_on <= command.issued_on <= _tomorrow(now):
            return "CREDIT_NOTE_DATE_IMPLAUSIBLE"
        full = (-paper.body.net_amount, -paper.body.tax_amount)
        return "CreditNoteIssued" if figures == full else "CREDIT_NOTE_AMOUNT_MISMATCH"

    def _CompleteReturn(self, paper: Paper, command: Any) -> str:
        if paper.status == "issued":
            return NONE
        if not paper.note:
            return "RETURN_NOT_REVERSED"
        if command.credit_note_number != paper.note[0]:
            return "CREDIT_NOTE_NUMBER_MISMATCH"
        return NOTHING if paper.status == "returned" else "InvoiceReturned"

    def _ReportReversalFailure(self, paper: Paper, command: Any) -> str:
        if paper.status != "return_in_progress":
            return NONE
        return "ReturnRefused" if command.permanent else "ReversalAttemptFailed"

    def _MarkReturnOverdue(self, paper: Paper, _: Any, now: datetime) -> str:
        if paper.status != "return_in_progress":
            return NONE
        if paper.overdue:
            return NOTHING
        assert paper.due is not None
        return "ReturnOverdue" if now >= paper.due else "RETURN_NOT_OVERDUE"

    def _ReviseDeadline(self, paper: Paper, command: Any) -> str:
        if paper.status != "return_in_progress":
            return NONE
        dates = (command.due_earliest, command.due_latest)
        return NOTHING if dates == (paper.due_first, paper.due) else "ReturnDeadlineRevised"

    def _RequestReissue(self, paper: Paper, command: Any) -> str:
        if paper.status == "issued":
            return "ORIGINAL_NOT_RETURNED"
        if not paper.void:
            return "ORIGINAL_RETURN_NOT_COMPLETE"
        if not command.charge_ids:
            return "NO_CHARGES_SELECTED"
        if not set(command.charge_ids) <= set(paper.charges):
            return "CHARGE_NOT_ON_ORIGINAL"
        again = any(self._place(charge) or self._replaced(paper, charge) for charge in command.charge_ids)
        if again:
            return "CHARGE_ALREADY_REINVOICED"
        worth = sum(charge.amount for charge in paper.body.charges if charge.charge_id in command.charge_ids)
        return "ReissueRequested" if worth > 0 else "NOTHING_TO_INVOICE"

    def _replaced(self, paper: Paper, charge: str) -> bool:
        """Return whether a charge has moved to a replacement, whatever became of that since."""
        return any(
            charge in asked["charges"] and self.replacement(paper.number, reissue_id)
            for reissue_id, asked in paper.reissues.items()
        )

    def _RefuseReissue(self, paper: Paper, command: Any) -> str:
        return "ReissueRefused" if self.held(paper.number, command.reissue_id) else "REISSUE_NOT_FOUND"

    def _LinkReplacement(self, paper: Paper, command: Any) -> str:
        asked = paper.reissues.get(command.reissue_id)
        if not asked:
            return "REISSUE_NOT_FOUND"
        if asked["linked"] is None:
            return "ReplacementIssued"
        return NOTHING if asked["linked"] == command.replacement_number else "REISSUE_NOT_FOUND"

    def take(self, command: Any, name: str, event: Any) -> None:  # noqa: C901, PLR0912 - one line an event
        """Note down what has happened; of the event only the new ids, and the due date, are looked at."""
        paper = self.papers.setdefault(command.invoice_number, Paper(command.invoice_number, command))
        paper.version += 1
        if name == "PostingStatusChanged":
            paper.posting, paper.posting_seen = command.posting_status, command.observed_at
        if name == "ReturnRequested":
            number = _form_number(command)
            by_form = paper.posting == "recorded" and (paper.body.kind == "special" or number)
            paper.status, paper.route = "return_in_progress", "form" if by_form else "simple"
            paper.return_id, paper.form = event.return_id, number or None
            paper.due_first, paper.due = event.due_earliest, event.due_latest
            paper.confirmed, paper.overdue, paper.attempts, paper.refusal = False, False, 0, None
        if name == "RedFontFormConfirmed":
            paper.form, paper.confirmed = command.form.number, True
        if name == "ReversalAttemptFailed":
            paper.attempts += 1
        if name == "ReturnDeadlineRevised":
            paper.due_first, paper.due = command.due_earliest, command.due_latest
        if name == "ReturnOverdue":
            paper.overdue = True
        if name == "PostingStatusChanged+ReturnRefused":
            paper.version += 1
            paper.posting, paper.posting_seen = "recorded", command.form.entered_at
            paper.refusal, paper.status, paper.form = "POSTING_STATUS_CHANGED", "issued", None
        if name == "ReturnRefused":
            paper.refusal = self._why(paper, command)
            paper.status, paper.form, paper.confirmed = "issued", None, False
        if name == "CreditNoteIssued":
            paper.status = "reversed_with_credit_note"
            paper.note = (command.credit_note_number, command.net_amount, command.tax_amount)
        if name == "InvoiceReturned":
            paper.status = "returned"
        if name == "ReissueRequested":
            paper.reissues[event.reissue_id] = {"charges": command.charge_ids, "linked": None}
        if name == "ReissueRefused":
            del paper.reissues[command.reissue_id]
        if name == "ReplacementIssued":
            paper.reissues[command.reissue_id]["linked"] = command.replacement_number

    def _why(self, paper: Paper, command: Any) -> str | None:
        match type(command).__name__:
            case "ReportReversalFailure":
                return command.code
            case "RejectRedFontForm":
                return "RED_FONT_FORM_NOT_FOUND"
            case _:
                return self._misfit(paper, command.form)

    def document(self, number: str) -> dict[str, Any]:
        """Return what a status document must say."""
        paper = self.papers[number]
        document: dict[str, Any] = {
            "status": paper.status,
            "return_complete": paper.void,
            "original_void": paper.void,
            "posting_status": paper.posting,
            "actions": LABELS[paper.status],
            "replacement_numbers": {one["linked"] for one in paper.reissues.values() if one["linked"]},
            "version": paper.version,
            "refusal": paper.refusal,
            "credit_note": paper.note[0] if paper.note else None,
        }
        if paper.return_id:
            document |= {"return_id": paper.return_id, "route": paper.route, "overdue": paper.overdue}
            document |= {"attempts": paper.attempts, "phase": self._phase(paper)}
        return document

    def _phase(self, paper: Paper) -> str:
        if paper.refusal:
            return "refused"
        if paper.status == "return_in_progress" and not paper.confirmed:
            return "verifying_form" if paper.route == "form" else "opening_form"
        ends = {"return_in_progress": "issuing_credit_note", "reversed_with_credit_note": "verifying_reversal"}
        return ends.get(paper.status, "complete")


def _runs_of_digits(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text)
    return "".join(letter if letter.isdecimal() else " " for letter in folded).split()


def _form_number(command: Any) -> str:
    """Return the number of the form as it is meant, however it is grouped and typed."""
    folded = unicodedata.normalize("NFKC", command.red_font_form_number or "")
    return "".join(sign for sign in folded if not sign.isspace() and sign != "-")


def _tomorrow(now: datetime) -> date:
    return now.astimezone(timezone(timedelta(hours=8))).date() + timedelta(days=1)
