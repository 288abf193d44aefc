"""An invoice number that ends with 9999 and two digits chooses what happens to its return."""

_MARK = "9999"

_MEANINGS = {
    "02": "waits for the buyer",
    "03": "waits for the seller",
    "04": "confirmed by both",
    "05": "refused by the buyer",
    "06": "refused by the seller",
    "07": "not confirmed in time",
    "08": "withdrawn",
    "09": "withdrawn after confirmation",
    "10": "abnormal voucher",
    "11": "taxpayer blocked",
    "12": "refused by a natural person",
    "13": "a refund has been applied for",
    "99": "an unknown state",
}
STATES = {"14" if state == "99" else state: state for state in _MEANINGS}
"""The state in which the form comes back, by pattern."""

_FORM = {
    **{code: f"the form comes back in state {state}: {_MEANINGS[state]}" for code, state in STATES.items()},
    "21": "the form is for another invoice",
    "22": "the form is for the other kind of invoice",
    "23": "the form names another buyer",
    "24": "the form is for a smaller amount",
    "25": "the form is for a larger amount",
    "26": "the form's amounts are positive",
    "27": "the form's tax differs",
    "28": "the form's reason is 02, sales return",
    "29": "the tax system does not know the form",
    "33": "the credit note is refused permanently",
}
_CREDIT_NOTE = {
    "31": "the credit note is first reported with other amounts",
    "32": "the credit note is first reported with the invoice's own number",
}
_MANNER = {
    "41": "every answer takes 5 seconds",
    "42": "the first answer to every request is lost",
    "43": "every answer comes twice",
    "45": "every request fails twice before it is answered",
    "46": "5 seconds after the end everything is reported again",
    "47": "the credit note is reported too early, before the form",
}
PATTERNS = _FORM | _CREDIT_NOTE | _MANNER
"""What each pattern does."""


def pattern(invoice_number: str) -> str | None:
    """Return the pattern that an invoice number chooses."""
    return invoice_number[-2:] if invoice_number[-6:-2] == _MARK and invoice_number[-2:] in PATTERNS else None


def help_text() -> str:
    """Return the help on all patterns, one per line; the mark before each group keeps its lines apart."""
    groups = {
        "First form of the invoice (later ones behave normally):": _FORM,
        "Credit note (correct when requested again):": _CREDIT_NOTE,
        "Every answer:": _MANNER,
    }
    return "\n\n".join(
        "\n".join(["\b", title, *(f"  {_MARK}{code}  {sentence}" for code, sentence in group.items())])
        for title, group in groups.items()
    )
