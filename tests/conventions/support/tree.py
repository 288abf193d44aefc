"""The files of the tree."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def tracked() -> list[Path]:
    """Return the files that git tracks."""
    git = shutil.which("git")
    assert git is not None
    listed = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines()]
