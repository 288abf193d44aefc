"""A real OpenID provider on this machine: npm's `oidc-provider`, of which package-lock.json names the version."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.house.support.tree import ROOT
from tests.web.support.issuer import AUDIENCE
from web.http.issuer_keys import Issuer

_PROGRAM = Path(__file__).with_name("openid_provider.mjs")
_BIN = Path(sys.executable).parent


class OpenIdProvider:
    """Issues tokens to programs: clients called `portal` (of the account mine) and `operations` (an operator)."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        self.issuer = Issuer(self._told(), AUDIENCE)

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish no other."""
        assert self._program.stdin is not None
        self._program.stdin.write("rotate\n")
        self._program.stdin.flush()
        self._told()

    def bearer(self, client: str, audience: str = AUDIENCE) -> dict[str, str]:
        """Return the header with a token that a client gets for an api. Source: RFC 6749, section 4.4; RFC 8707."""
        wanted = {"grant_type": "client_credentials", "resource": audience}
        answer = httpx.post(f"{self.issuer.url}/token", data=wanted, auth=(client, "secret"))
        return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}

    def _told(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline().strip()


@contextmanager
def openid_provider() -> Generator[OpenIdProvider]:
    """Run a provider for the length of a block."""
    environment = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
    if not (ROOT / "node_modules" / "oidc-provider").exists():
        subprocess.run([_BIN / "npm", "ci", "--silent"], cwd=ROOT, env=environment, check=True)
    command = [_BIN / "node", _PROGRAM, AUDIENCE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as program:
        try:
            yield OpenIdProvider(program)
        finally:
            program.kill()
