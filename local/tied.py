"""Run a program that cannot outlive the process that started it, not even when that one is killed with SIGKILL.

Run as a script of its own, on the standard library alone. Two ways, since neither does all:

- ``exec`` becomes the program. The kernel signals it when its parent dies (Linux only).
- ``watch`` stays beside it and stops it when the standard input closes, which is when the other end of the pipe dies.
  Works everywhere, and whichever thread started it; the kernel's signal comes when that *thread* ends.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""


def become(command: Sequence[str], user: str | None, on_death: signal.Signals) -> None:
    """Become the command, as this user, to be signalled when the parent dies."""
    parent = os.getppid()
    if user:
        _drop_to(user)
    if sys.platform == "linux":
        # After the change of user: that one clears the setting.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(on_death), 0, 0, 0)
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


def watch(command: Sequence[str], stop: signal.Signals, stop_within: float) -> int:
    """Run the command until it ends, or until standard input closes or SIGTERM comes. Tells its pid on standard output.

    stop_within: seconds from the stop signal until it is killed.
    """
    ended = threading.Event()

    def stop_asked(*_: object) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, stop_asked)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)  # noqa: S603 - our own command
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=_stop_when, args=(ended, child, stop, stop_within), daemon=True).start()
    threading.Thread(target=_set_at_end_of_input, args=(ended,), daemon=True).start()
    return child.wait()


def _set_at_end_of_input(ended: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ended.set()


def _stop_when(ended: threading.Event, child: subprocess.Popen[bytes], stop: signal.Signals, within: float) -> None:
    ended.wait()
    child.send_signal(stop)
    try:
        child.wait(within)
    except subprocess.TimeoutExpired:
        child.kill()


def main() -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(prog="tied")
    ways = parser.add_subparsers(dest="way", required=True)
    executed = ways.add_parser("exec")
    executed.add_argument("--user")
    executed.add_argument("--on-death", type=signal.Signals.__getitem__, default=signal.SIGKILL)
    watched = ways.add_parser("watch")
    watched.add_argument("--stop", type=signal.Signals.__getitem__, default=signal.SIGTERM)
    watched.add_argument("--stop-within", type=float, default=4.0)
    for way in (executed, watched):
        way.add_argument("command", nargs="+")
    told = parser.parse_args()
    if told.way == "exec":
        become(told.command, told.user, told.on_death)
    sys.exit(watch(told.command, told.stop, told.stop_within))


if __name__ == "__main__":
    main()
