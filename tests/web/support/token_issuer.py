"""An issuer of tokens on this machine, whose keys, tokens and answers a test may spoil."""

import json
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from web.http.issuer_documents import Issuer

AUDIENCE = "https://redletter.example"


class TokenIssuer:
    """Signs tokens.

    published: the key set as it is served. fetched: how often. url: of the issuer. id_token: what it tells a page of
    who has logged in. person: what it tells when it is asked about them. lasting: seconds of its access tokens.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fetched = 0
        self.id_token: str | None = None
        self.person: Any = {"sub": "ann"}
        self.lasting = 300
        self.rotate()

    @property
    def issuer(self) -> Issuer:
        """What the api is told of it."""
        return Issuer(self.url, AUDIENCE)

    def document(self, path: str) -> Any:
        """Return what is at an address of it."""
        names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        configuration = {"issuer": self.url} | {name: f"{self.url}/{name}" for name in names}
        return {"/jwks_uri": self.published, "/userinfo_endpoint": self.person}.get(path, configuration)

    def rotate(self) -> None:
        """Sign with another key from now on, and publish no other."""
        self.key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
        self.published: Mapping[str, Any] = KeySet([self.key]).as_dict()

    def token(
        self, *accounts: str, roles: tuple[str, ...] = (), header: Mapping[str, Any] | None = None, **but: Any
    ) -> str:
        """Return a good token of a program for these accounts, or one with other claims; None leaves one out."""
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "portal",
            "exp": int(time.time()) + 300,
            "redletter_accounts": list(accounts),
            "redletter_roles": list(roles),
        } | but
        given = {name: value for name, value in claims.items() if value is not None}
        whole = {"alg": "ES256", "kid": self.key.kid, "typ": "at+jwt"} | dict(header or {})
        return jwt.encode(whole, given, self.key, algorithms=["ES256"])

    def bearer(self, *accounts: str, **but: Any) -> dict[str, str]:
        """Return the header that carries such a token."""
        return {"Authorization": f"Bearer {self.token(*accounts, **but)}"}


@contextmanager
def token_issuer() -> Generator[TokenIssuer]:
    """Run an issuer for the length of a block."""

    class Documents(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetched += self.path == "/jwks_uri"
            self.answer(issuer.document(self.path))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            token = {"access_token": "opaque", "token_type": "Bearer", "expires_in": issuer.lasting}
            self.answer(token | {"id_token": issuer.id_token})

        def answer(self, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Documents) as server:
        issuer = TokenIssuer(f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            serving.join()
