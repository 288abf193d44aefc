"""Quantities in sentences for people."""


def counted(number: int, one: str, many: str) -> str:
    """Return a number with what it counts, such as "1 invoice is" or "2 invoices are"."""
    return f"{number} {one if number == 1 else many}"
