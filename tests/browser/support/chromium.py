"""The browser: the machine's own, or that in npm's `@sparticuz/chromium` at the version of package-lock.json."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conventions.support.tree import ROOT

WITHIN = 60_000
"""Milliseconds in which the browser must do what it is told, and show what is expected."""
_BIN = Path(sys.executable).parent
_PACKAGE = ROOT / "node_modules" / "@sparticuz" / "chromium"
_UNPACK = 'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath())'


def executable() -> str:
    """Return the path of a Chromium: one of this machine, else that of the package, downloaded and unpacked once."""
    own = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    return next(own, None) or _from_package(ROOT / ".cache" / "chromium")


def _from_package(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(folder)}
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes ask at once
        if not _PACKAGE.exists():
            subprocess.run([_BIN / "npm", "ci", "--silent"], cwd=ROOT, env=environment, check=True)
        unpack = [_BIN / "node", "--input-type=module", "--eval", _UNPACK]
        told = subprocess.run(unpack, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return told.stdout.strip()
