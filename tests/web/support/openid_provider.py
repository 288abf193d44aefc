"""A real OpenID provider on this machine: npm's `oidc-provider`, of which package-lock.json names the version."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.conventions.support.tree import ROOT
from tests.web.support.token_issuer import AUDIENCE
from web.http.issuer_documents import Issuer

_PROGRAM = Path(__file__).with_name("openid_provider.mjs")
_BIN = Path(sys.executable).parent


PAGE = "https://invoices.example"
"""The origin of the page that people log in to."""


class OpenIdProvider:
    """Knows programs and people.

    Clients called `portal` (of the account mine), `demo` (of the demo's) and `operations` (an operator) get tokens;
    `ann` (of mine) and `bo` (of theirs, an operator) log in to the page, which is the client `page`.
    """

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
        answer = httpx.post(f"{self.issuer.url}/token", data=wanted, auth=(client, "secret"), timeout=60)
        return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}

    async def log_in(self, address: str, person: str) -> str:
        """Let a person log in where the page has sent them, and return where they are sent back to."""
        async with httpx.AsyncClient(base_url=self.issuer.url, timeout=60) as browser:
            answer = await browser.get(address)
            for filled_in in ({"prompt": "login", "login": person, "password": "any"}, {"prompt": "consent"}):
                while not answer.is_success:
                    answer = await browser.get(answer.headers["location"])
                answer = await browser.post(answer.url, data=filled_in)
            while not answer.headers["location"].startswith(PAGE):
                answer = await browser.get(answer.headers["location"])
            return answer.headers["location"]

    def _told(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline().strip()


@contextmanager
def openid_provider(page: str = PAGE) -> Generator[OpenIdProvider]:
    """Run a provider for the length of a block. page: the origin of the page."""
    environment = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
    if not (ROOT / "node_modules" / "oidc-provider").exists():
        subprocess.run([_BIN / "npm", "ci", "--silent"], cwd=ROOT, env=environment, check=True)
    command = [_BIN / "node", _PROGRAM, AUDIENCE, page]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as program:
        try:
            yield OpenIdProvider(program)
        finally:
            program.kill()
