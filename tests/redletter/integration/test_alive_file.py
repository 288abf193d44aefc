"""The program as people call it."""

import os
import subprocess
from pathlib import Path

from local import ports
from local.waiting import wait_until
from tests.redletter.support.program import PROGRAM


def test_a_role_shows_that_it_lives_as_long_as_it_does(tmp_path: Path) -> None:
    """Whatever becomes of the servers: there are none here."""
    file, (nobody,) = tmp_path / "alive", ports.free(1)
    environment = {
        **os.environ,
        "REDLETTER_ALIVE_FILE": str(file),
        "REDLETTER_API_PORT": "0",
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{nobody}",
        "REDLETTER_DATABASE_URL": f"postgresql://127.0.0.1:{nobody}/none",
    }
    role = subprocess.Popen([PROGRAM, "api"], env=environment, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(file.exists, seconds=60)
        first = file.stat().st_mtime_ns
        assert wait_until(lambda: file.stat().st_mtime_ns > first, seconds=60)
    finally:
        role.terminate()
        role.wait(30)
