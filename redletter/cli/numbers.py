"""Invoice numbers as people type them: with blanks, hyphens or full-width digits, as the page prints them."""

from collections.abc import Sequence

from redletter.cli.exits import USAGE_ERROR, exit_with

_SHOWN_CHARACTERS = 100
"""Of what was typed, when it is no number."""


def one(typed: str | None) -> str | None:
    """Return the 20 digits, or end the command; nothing typed stays nothing. A callback of arguments and options."""
    if not typed:
        return typed
    from rules.numbers import fold_number, is_number

    number = fold_number(typed)
    if not is_number(number):
        digits = sum(sign.isdigit() for sign in number)
        exit_with(f'an invoice number has 20 digits; "{typed[:_SHOWN_CHARACTERS]}" has {digits}', USAGE_ERROR)
    return number


def each(typed: Sequence[str] | None) -> list[str]:
    """Return the 20 digits of each, or end the command."""
    return [number for text in typed or () if (number := one(text))]
