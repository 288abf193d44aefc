"""Run a program that ends with the process that started it, even when that one is killed with SIGKILL.

Runs as a script, on the standard library alone. There are two ways, and both are needed:

- ``exec`` becomes the program. The kernel signals it when its parent dies (Linux only).
- ``watch`` stays beside it and stops it when the standard input closes: when the process at its other end dies. This
  works on every system and for every thread; the kernel's signal comes as soon as the starting *thread* ends.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""


def become(command: Sequence[str], user: str | None, on_death: signal.Signals) -> None:
    """Become the command, as this user; the kernel signals it when the parent dies."""
    parent = os.getppid()
    if user:
        _drop_to(user)
    if sys.platform == "linux":
        # After the change of user, which clears the setting.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(on_death), 0, 0, 0)
    if os.getppid() != parent or parent == 1:
        sys.exit("the process that started this one is gone")
    os.execv(command[0], list(command))  # noqa: S606 - no shell is wanted


def _drop_to(user: str) -> None:
    import pwd  # noqa: PLC0415 - not on every platform

    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir


def watch(command: Sequence[str], stop: signal.Signals, stop_seconds: float) -> int:
    """Run the command until it ends, standard input closes or SIGTERM comes. Writes its pid to standard output.

    stop_seconds: from the stop signal until it is killed.
    """
    ended = threading.Event()

    def stop_asked(*_: object) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, stop_asked)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)  # noqa: S603 - our own command
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=_stop_when, args=(ended, child, stop, stop_seconds), daemon=True).start()
    threading.Thread(target=_set_at_end_of_input, args=(ended,), daemon=True).start()
    return child.wait()


def _set_at_end_of_input(ended: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ended.set()


def _stop_when(ended: threading.Event, child: subprocess.Popen[bytes], stop: signal.Signals, seconds: float) -> None:
    ended.wait()
    child.send_signal(stop)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()


def _main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="end_with_parent")
    ways = parser.add_subparsers(dest="way", required=True)
    executed = ways.add_parser("exec")
    executed.add_argument("--user")
    executed.add_argument("--on-death", type=signal.Signals.__getitem__, default=signal.SIGKILL)
    watched = ways.add_parser("watch")
    watched.add_argument("--stop", type=signal.Signals.__getitem__, default=signal.SIGTERM)
    watched.add_argument("--stop-seconds", type=float, default=4.0)
    for way in (executed, watched):
        way.add_argument("command", nargs="+")
    given = parser.parse_args()
    if given.way == "exec":
        become(given.command, given.user, given.on_death)
    sys.exit(watch(given.command, given.stop, given.stop_seconds))


if __name__ == "__main__":
    _main()
