"""The installed program, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "redletter"


def redletter(*arguments: str, said: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program. said: on its standard input."""
    return subprocess.run(
        [PROGRAM, *arguments], env=environment, input=said, capture_output=True, text=True, timeout=90, check=False
    )
