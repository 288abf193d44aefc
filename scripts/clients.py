"""Let the example client of every language play one scenario on the real system, to one outcome: `make clients`."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory

from redletter.testing import system_under_test

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCENARIO = EXAMPLES / "scenario.json"
"""What every client plays."""
OUTCOME = EXAMPLES / "outcome.txt"
"""What every client prints."""
_NUMBERS = "263120000000"
"""With which the scenario's invoice numbers begin."""
_CLIENT_SECONDS = 360
"""After which a client is ended that has not given up by itself, as each does after five minutes."""
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""Where programs are looked for: first among those of the checkout, which has a node."""
_INSTALL_SECONDS = 600
"""In which what a client needs is fetched and built."""


@dataclass(frozen=True, slots=True)
class ExampleClient:
    """A client in its folder. prepare: installs what it needs. run: starts it; the file of the scenario follows."""

    folder: str
    prepare: Sequence[str]
    run: Sequence[str]

    def missing(self) -> set[str]:
        """Return the programs that it needs and this machine has not."""
        needed = {*self.prepare[:1], self.run[0]} - {"./client"}
        return {program for program in needed if shutil.which(program, path=_PATH) is None}

    def build(self) -> None:
        """Fetch and build what it needs. Raises: CalledProcessError, TimeoutExpired."""
        if self.prepare:
            environment = {**os.environ, "PATH": _PATH}
            subprocess.run(
                self.prepare, cwd=EXAMPLES / self.folder, env=environment, timeout=_INSTALL_SECONDS, check=True
            )

    def play(self, environment: dict[str, str], scratch: Path) -> None:
        """Play the scenario on invoices of its own.

        Raises: AssertionError with how the outcome differs, TimeoutExpired.
        """
        numbers = f"2631{CLIENTS.index(self):08d}"
        scenario = scratch / f"{self.folder}.json"
        scenario.write_text(SCENARIO.read_text().replace(_NUMBERS, numbers))
        done = subprocess.run(
            [*self.run, scenario],
            cwd=EXAMPLES / self.folder,
            env=environment,
            timeout=_CLIENT_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        expected, found = OUTCOME.read_text().splitlines(), done.stdout.replace(numbers, _NUMBERS).splitlines()
        differences = [*unified_diff(expected, found, OUTCOME.name, self.folder, lineterm="", n=0)]
        assert (done.returncode, differences) == (0, []), "\n".join([*differences, done.stderr[-4000:]])


CLIENTS = (
    ExampleClient("python", (), (sys.executable, "client.py")),
    ExampleClient("faststream", (), (sys.executable, "client.py")),
    ExampleClient(
        "javascript", ("npm", "install", "--silent", "--no-package-lock", "--no-audit"), ("node", "client.js")
    ),
    ExampleClient(
        "java",
        ("mvn", "--quiet", "--batch-mode", "-Dstyle.color=never", "package"),
        ("java", "-jar", "target/client.jar"),
    ),
    ExampleClient("go", ("go", "build", "-o", "client"), ("./client",)),
)


def environment_of_clients(kafka: str, library: Path) -> dict[str, str]:
    """Return what a client finds around it. library: a folder to which the wheel of redletter-events is unpacked."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(library)]
    subprocess.run(build, cwd=ROOT / "library", capture_output=True, check=True)
    (wheel,) = library.glob("*.whl")
    shutil.unpack_archive(wheel, library, "zip")
    return {**os.environ, "PATH": _PATH, "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": kafka, "PYTHONPATH": str(library)}


def main() -> None:
    """Run all, and say how long each took."""
    if missing := {program for client in CLIENTS for program in client.missing()}:
        sys.exit(f"the example clients need {', '.join(sorted(missing))}: install what is missing and try again")
    with TemporaryDirectory() as folder, system_under_test(Path(folder)) as system, TemporaryDirectory() as library:
        environment = environment_of_clients(system.kafka, Path(library))
        for client in CLIENTS:
            client.build()
            began = time.monotonic()
            client.play(environment, Path(library))
            print(f"{client.folder:<12}{time.monotonic() - began:5.1f} s")


if __name__ == "__main__":
    main()
