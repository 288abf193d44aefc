"""Which invoices the list shows, and the conditions of SQL that say so."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString, get_args

from events.values import Kind, SeenPostingStatus
from projections.answers import OF_ACCOUNTS, OF_OWNER, Accounts
from projections.invoices.standing import DUE, STANDINGS, Standing

EVERYWHERE: tuple[Standing, ...] = tuple(one for group in STANDINGS.values() for one in group)
_KINDS = list(get_args(get_args(Kind)[0]))
_POSTING_STATUSES = list(get_args(get_args(SeenPostingStatus)[0]))
_NUMBER_DIGITS = 20
"""Digits of a whole number."""
_LAST = "\U0010ffff"
"""The last character there is, which no name has: it ends the range of all names that begin alike."""


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which invoices; what is None does not filter.

    due_before: of the returns in progress that are not overdue, those that are due before. buyer: a tax id, or the
    beginning of a name. q: digits of a number, first, last or all.
    """

    accounts: Accounts = None
    standings: tuple[Standing, ...] = EVERYWHERE
    due_before: datetime | None = None
    kind: Kind | None = None
    posting_status: SeenPostingStatus | None = None
    issued_from: date | None = None
    issued_to: date | None = None
    amount_from: Decimal | None = None
    amount_to: Decimal | None = None
    buyer: str | None = None
    q: str | None = None

    @property
    def searches(self) -> bool:
        """Whether it filters by what no standing has an index for."""
        return any(one is not None for one in (self.amount_from, self.amount_to, self.buyer, self.q))

    @property
    def names_a_number(self) -> bool:
        """Whether it asks for one invoice."""
        return self.q is not None and len(self.q) == _NUMBER_DIGITS

    def only(self, standings: tuple[Standing, ...]) -> "InvoiceFilter":
        """Return the part of it that stands there."""
        return replace(self, standings=tuple(one for one in self.standings if one in standings))

    def without(self, standings: tuple[Standing, ...]) -> "InvoiceFilter":
        """Return the part of it that does not stand there."""
        return replace(self, standings=tuple(one for one in self.standings if one not in standings))

    def facts(self) -> Mapping[str, Any]:
        """Return the parameters of its conditions."""
        name, q = (self.buyer or "").casefold(), self.q or ""
        all_due = set(self.standings) <= set(DUE)
        return {
            "accounts": None if self.accounts is None else sorted(self.accounts),
            "standings": list(self.standings),
            "some_standings": None if self.standings == EVERYWHERE else True,
            "due_before": self.due_before,
            "all_due": self.due_before if all_due else None,
            "some_due": None if all_due else self.due_before,
            "kind": self.kind,
            "kinds": _KINDS,
            "posting_status": self.posting_status,
            "posting_statuses": _POSTING_STATUSES,
            "issued_from": self.issued_from,
            "issued_to": self.issued_to,
            "amount_from": self.amount_from,
            "amount_to": self.amount_to,
            "buyer_name": name or None,
            "after_buyer_name": name + _LAST,
            "buyer_tax_id": (self.buyer or "").upper(),
            "number": q if self.names_a_number else None,
            # ":" comes right after "9": these are the ranges of all numbers that begin so.
            "digits": q if q and not self.names_a_number else None,
            "after_digits": f"{q}:",
            "year_from": f"20{q[:2]}-01-01",
            "year_to": f"20{q[:2]}-12-31",
            "reversed": q[::-1],
            "after_reversed": f"{q[::-1]}:",
        }


_DUE: Mapping[LiteralString, str] = {
    # An index on due dates serves this alone. What is overdue was due before.
    "line.due_latest < %(due_before)s": "all_due",
    "(line.standing <> 'return_in_progress' or line.due_latest < %(due_before)s)": "some_due",
}
OF_INVOICE: Mapping[LiteralString, str] = {
    "{table}.kind = %(kind)s": "kind",
    "{table}.issued_on >= %(issued_from)s": "issued_from",
    "{table}.issued_on <= %(issued_to)s": "issued_to",
    "{table}.total_amount >= %(amount_from)s": "amount_from",
    "{table}.total_amount <= %(amount_to)s": "amount_to",
    "{table}.invoice_number = %(number)s": "number",
}
"""The conditions on what both tables hold. The parameter whose value decides on each, by condition."""
STANDS: Mapping[LiteralString, str] = {
    f"line.{OF_ACCOUNTS}": "accounts",
    "line.standing = any(%(standings)s)": "some_standings",
    "line.posting_status = %(posting_status)s": "posting_status",
    **_DUE,
}
"""The conditions of a search on where invoices stand."""
STANDS_IN_TURN: Mapping[LiteralString, str] = {
    "line.standing = one.standing": "standings",
    f"line.{OF_OWNER}": "accounts",
    "line.posting_status = %(posting_status)s": "posting_status",
    **_DUE,
}
"""The same of a list that looks at one standing after the other, and at one account after the other."""
OF_ISSUED = "issued."
"""In a condition on what only the table of what was issued holds."""
EITHER: Mapping[str, tuple[LiteralString, LiteralString]] = {
    "digits": (
        """{table}.invoice_number >= %(digits)s and {table}.invoice_number < %(after_digits)s
        and {table}.issued_on between %(year_from)s and %(year_to)s""",
        "reverse(issued.invoice_number) >= %(reversed)s and reverse(issued.invoice_number) < %(after_reversed)s",
    ),
    "buyer_name": (
        "issued.buyer_name >= %(buyer_name)s and issued.buyer_name < %(after_buyer_name)s",
        "issued.buyer_tax_id = %(buyer_tax_id)s",
    ),
}
"""Pairs of conditions of which one must hold, by parameter: the first digits of a number, which begins with its year,
or the last; the beginning of a name, or a tax id. A condition with "or" has no index, so each is asked by itself."""
