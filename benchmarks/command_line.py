"""What the command lines of the benchmarks have in common."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

OUT = Path(__file__).parent / "out"


def described_parser(module: str, description: str | None) -> ArgumentParser:
    """Return a parser whose help begins with the module's docstring, line by line."""
    return ArgumentParser(
        f"python -m benchmarks.{module}", description=description, formatter_class=RawDescriptionHelpFormatter
    )


def add_output(parser: ArgumentParser, file: str) -> None:
    """Add the option that says where the figures are written, by default to a file below benchmarks/out."""
    default = OUT / file
    shown = default.relative_to(OUT.parent.parent)
    parser.add_argument("--output", type=Path, default=default, help=f"where figures are written; {shown} by default")


def positive_number(given: str) -> int:
    """Read a number. Raises: ArgumentTypeError."""
    digits = given.replace("_", "")
    if not digits.isdecimal() or not int(digits):
        raise ArgumentTypeError("give a number, 1 or more")
    return int(digits)


def positive_numbers(given: str) -> Sequence[int]:
    """Read numbers with commas between them. Raises: ArgumentTypeError."""
    return [positive_number(one) for one in given.split(",")]


def some_of(choices: Collection[str]) -> Callable[[str], Sequence[str]]:
    """Return the reader of names with commas between them, which gives them in the order of the choices."""

    def read_names(given: str) -> Sequence[str]:
        names = given.split(",")
        if unknown := set(names) - set(choices):
            msg = f"there is no {', '.join(sorted(unknown))}: choose of {', '.join(choices)}"
            raise ArgumentTypeError(msg)
        return [name for name in choices if name in names]

    return read_names


def run_program(main: Callable[[], None]) -> None:
    """Run a benchmark; Ctrl-C stops it with a sentence."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was written down")
