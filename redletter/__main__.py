"""Run the program: ``redletter`` or ``python -m redletter``."""

import sys
from pathlib import Path

_ROOMS = Path(__file__).with_name("_rooms")
"""Where a wheel keeps the other packages of Redletter: beside them it installs no generic top-level name.

A checkout has no such folder; its packages are found at its root.
"""


def main() -> None:
    """Make the packages of a wheel importable, before anything of a neighbour is, and run the command line."""
    if _ROOMS.is_dir():
        sys.path.insert(0, str(_ROOMS))
    from redletter import cli  # noqa: PLC0415 - what it imports is found only now

    cli.main()


if __name__ == "__main__":
    main()
