"""Invoice numbers, whose last digits tell the simulator what to do."""

USUAL = "26000000000000000005"
OTHER = "26000000000000000006"


def number(pattern: str) -> str:
    """Return a number that ends in a pattern: two digits, as the simulator's help lists them."""
    return f"260000000000009999{pattern}"
