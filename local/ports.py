"""Ports chosen once and written down, so that clients find a server again after its restart."""

import errno
import random
import socket
from collections.abc import Sequence
from pathlib import Path

HOST = "127.0.0.1"
RANGE = range(15_000, 32_000)
"""Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere).

A client that keeps trying a port of that range on its own machine may in the end be given it as its own, and talk to
itself while the server cannot come back.
"""

_TAKEN = (errno.EADDRINUSE, errno.EACCES)


def kept(file: Path, count: int) -> Sequence[int]:
    """Return the ports written in the file if all of them are free, else choose others and write those."""
    written = [int(word) for word in file.read_text().split()] if file.exists() else []
    if len(written) == count and all(map(is_free, written)):
        return written
    chosen = free(count)
    file.write_text(" ".join(map(str, chosen)) + "\n")
    return chosen


def free(count: int) -> Sequence[int]:
    """Return different ports that nobody listens on now."""
    candidates = random.sample(RANGE, k=len(RANGE))
    found: list[int] = []
    while len(found) < count:
        if is_free(port := candidates.pop()):
            found.append(port)
    return found


def is_free(port: int, host: str = HOST) -> bool:
    """Tell whether a server could listen on the port of an address of this machine now. Raises: as `listen` does."""
    try:
        listen(host, port)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def listen(host: str, port: int) -> None:
    """Try to take an address as a server does. Raises: OSError, also where this machine has no such address."""
    family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, kind) as trial:
        # As servers do it: connections that an earlier one left closing do not count.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(address)
