"""Versions of one invoice count 1, 2, 3 ... without gaps; every fold relies on that."""


class VersionGap(Exception):
    """An event between the version reached and the one that came is missing. Nothing may be folded across the gap."""

    def __init__(self, invoice_number: str, reached: int, came: int) -> None:
        super().__init__(f"invoice {invoice_number}: version {came} came after {reached}")
        self.invoice_number = invoice_number
        self.reached = reached
        self.came = came


def is_next(invoice_number: str, reached: int, came: int) -> bool:
    """Return whether the version that came is the one to fold now; a repeat is not.

    Raises: VersionGap.
    """
    if came > reached + 1:
        raise VersionGap(invoice_number, reached, came)
    return came > reached
