"""Choose ports, and keep them in a file so that clients find a server again after its restart."""

import errno
import random
import socket
from collections.abc import Sequence
from pathlib import Path

HOST = "127.0.0.1"
_RANGE = range(15_000, 32_000)
"""Below the ports of outgoing connections (from 32768 on Linux, 49152 elsewhere).

A client that keeps retrying a port of that range on its own machine may be given this port itself: it then talks to
itself, and the server cannot come back.
"""

_TAKEN = (errno.EADDRINUSE, errno.EACCES)


def kept(file: Path, count: int) -> Sequence[int]:
    """Return the ports in the file if all of them are free, else choose others and write them to it."""
    written = [int(word) for word in file.read_text().split()] if file.exists() else []
    if len(written) == count and all(map(is_free, written)):
        return written
    chosen = free(count)
    file.write_text(" ".join(map(str, chosen)) + "\n")
    return chosen


def free(count: int) -> Sequence[int]:
    """Return different free ports."""
    candidates = random.sample(_RANGE, k=len(_RANGE))
    found: list[int] = []
    while len(found) < count:
        if is_free(port := candidates.pop()):
            found.append(port)
    return found


def is_free(port: int, host: str = HOST) -> bool:
    """Return whether a server could listen on the port now. Raises: as `listen` does."""
    try:
        listen(host, port)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def listen(host: str, port: int) -> None:
    """Try to listen as a server does. Raises: OSError, also if this machine has no such address."""
    family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, kind) as trial:
        # Like servers: connections that an earlier server left closing do not count.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(address)
