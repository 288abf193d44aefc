"""How the program proves to Kafka who it is, and Kafka to the program."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from transport.access_tokens import ClientCredentials

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class UnusableSecurity(Exception):
    """The parts of it do not fit together, or a file cannot be used; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """What is needed to connect.

    ca_file: PEM, who may have signed the brokers' certificates; None is whom this machine trusts. cert_file, key_file:
    PEM, for brokers that want a certificate of the client; the key may be in cert_file too. token_url, token_scope:
    where a client gets its access tokens for OAUTHBEARER, username and password being its id and secret there.
    """

    protocol: SecurityProtocol = "PLAINTEXT"
    mechanism: SaslMechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    token_url: str | None = None
    token_scope: str | None = None

    def options(self) -> Mapping[str, Any]:
        """Return the options of a client. Raises: UnusableSecurity."""
        self._refuse_what_does_not_fit()
        found: dict[str, Any] = {"security_protocol": self.protocol}
        if self._encrypted:
            found["ssl_context"] = self._ssl_context()
        if self._sasl:
            found |= {"sasl_mechanism": self.mechanism, **self._credentials()}
        return found

    def _credentials(self) -> Mapping[str, Any]:
        username, password = str(self.username), str(self.password)
        if self.token_url:
            tokens = ClientCredentials(self.token_url, username, password, self.token_scope)
            return {"sasl_oauth_token_provider": tokens}
        return {"sasl_plain_username": username, "sasl_plain_password": password}

    @property
    def _encrypted(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def _sasl(self) -> bool:
        return self.protocol.startswith("SASL")

    def _refuse_what_does_not_fit(self) -> None:
        credentials = (self.mechanism, self.username, self.password)
        if self._sasl and not all(credentials):
            msg = f"{self.protocol} needs a SASL mechanism, a user name and a password"
            raise UnusableSecurity(msg)
        if not self._sasl and any(credentials):
            msg = f"a SASL mechanism, a user name or a password is without effect with {self.protocol}"
            raise UnusableSecurity(msg)
        if (self.mechanism == "OAUTHBEARER") != bool(self.token_url):
            msg = "OAUTHBEARER and the address that gives its tokens need each other"
            raise UnusableSecurity(msg)
        if self.token_scope and not self.token_url:
            msg = "a scope is without effect without the address that gives tokens"
            raise UnusableSecurity(msg)
        if not self._encrypted and any((self.ca_file, self.cert_file, self.key_file)):
            msg = f"a certificate or key file is without effect with {self.protocol}"
            raise UnusableSecurity(msg)
        if self.key_file and not self.cert_file:
            msg = "a key file needs a certificate file"
            raise UnusableSecurity(msg)

    def _ssl_context(self) -> ssl.SSLContext:
        """Return what checks the broker's certificate and host name. Raises: UnusableSecurity."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            msg = f"{str(self.ca_file)!r} is no file of certificates: {error}"
            raise UnusableSecurity(msg) from None
        if self.cert_file:
            try:
                context.load_cert_chain(self.cert_file, self.key_file)
            except (OSError, ValueError) as error:
                msg = f"{str(self.cert_file)!r} and its key cannot be used: {error}"
                raise UnusableSecurity(msg) from None
        return context
