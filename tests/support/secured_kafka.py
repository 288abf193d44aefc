"""A real Kafka with its locks on: users, TLS, and an authorizer that allows nothing that no ACL allows."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (  # the types are named nowhere else
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from local import ports
from local.child_server import ChildServer
from local.kafka_server import KafkaServer
from local.ports import HOST
from web.http.issuer_documents import Issuer

_OAUTH = "org.apache.kafka.common.security.oauthbearer"


class Signed(NamedTuple):
    """A certificate and its key, in PEM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The key, as PKCS 8."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self._own = self._sign("tests", None)

    @property
    def pem(self) -> str:
        """The certificate of the authority."""
        return self._own.certificate_pem

    def sign(self, name: str) -> Signed:
        """Return a certificate with this common name, for `HOST`."""
        return self._sign(name, self._own)

    @staticmethod
    def _sign(name: str, by: Signed | None) -> Signed:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        )
        return Signed(builder.sign(by.key if by else key, hashes.SHA256()), key)


class LockedKafka(KafkaServer):
    """The broker. Whoever uses its plain listener, as the tests themselves do, may do everything."""

    def __init__(self, folder: Path, authority: Authority, users: Mapping[str, str], issuer: Issuer | None) -> None:
        super().__init__(folder)
        self._authority = authority
        self._users = users
        self._issuer = issuer
        self.ports: Mapping[str, int] = {}

    def prepare(self) -> None:
        """Prepare it, then add what locks it."""
        super().prepare()
        names = ("SASL_SSL", "SASL_PLAINTEXT", "SSL")
        self.ports = dict(zip(names, ports.free(len(names)), strict=True))
        properties = self._folder / "server.properties"
        given = dict(line.split("=", 1) for line in properties.read_text().splitlines())
        given.update(self._locks(given))
        properties.write_text("".join(f"{name}={value}\n" for name, value in given.items()))

    def _locks(self, given: Mapping[str, str]) -> Mapping[str, str]:
        own = ",".join(f"{name}://{HOST}:{port}" for name, port in self.ports.items())
        server = self._authority.sign("broker")
        tls = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": _one_line(server.certificate_pem),
            "ssl.keystore.key": _one_line(server.key_pem),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": _one_line(self._authority.pem),
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=(.*?)$/$1/",
        }
        plain = " ".join(f'user_{name}="{password}"' for name, password in self._users.items())
        sasl = {
            f"listener.name.{listener}.{mechanism}.sasl.jaas.config": f"{module} required{entries};"
            for listener in ("sasl_ssl", "sasl_plaintext")
            for mechanism, module, entries in (
                ("plain", "org.apache.kafka.common.security.plain.PlainLoginModule", f" {plain}"),
                ("scram-sha-256", "org.apache.kafka.common.security.scram.ScramLoginModule", ""),
                ("scram-sha-512", "org.apache.kafka.common.security.scram.ScramLoginModule", ""),
            )
        }

        return {
            "listeners": f"{given['listeners']},{own}",
            "advertised.listeners": f"{given['advertised.listeners']},{own}",
            "listener.security.protocol.map": ",".join(
                [given["listener.security.protocol.map"], *(f"{name}:{name}" for name in self.ports)]
            ),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:$broker",
            "allow.everyone.if.no.acl.found": "false",
            **tls,
            **sasl,
            **(_by_tokens_of(self._issuer) if self._issuer else {}),
        }

    def _java(self, main: str, *arguments: str) -> tuple[str, ...]:
        java, *rest = super()._java(main, *arguments)
        fetched = [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={_key_set(self._issuer)}"] if self._issuer else []
        return (java, *fetched, *rest)


def _key_set(issuer: Issuer) -> str:
    return f"{issuer.url}/jwks"


def _by_tokens_of(issuer: Issuer) -> Mapping[str, str]:
    """Return what lets a bearer of a token in by one listener. The issuer has to run when the broker starts."""
    return {
        "listener.name.sasl_ssl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config": f"{_OAUTH}.OAuthBearerLoginModule required;",
        "listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class": (
            f"{_OAUTH}.OAuthBearerValidatorCallbackHandler"
        ),
        "sasl.oauthbearer.jwks.endpoint.url": _key_set(issuer),
        "sasl.oauthbearer.expected.issuer": issuer.url,
        "sasl.oauthbearer.expected.audience": issuer.audience,
    }


def _one_line(pem: str) -> str:
    return pem.strip().replace("\n", "\\n")


class RunningLockedKafka(ChildServer):
    """The broker as a child of this process."""

    def __init__(self, folder: Path, users: Mapping[str, str], issuer: Issuer | None) -> None:
        self.authority = Authority()
        self.issuer = issuer
        self._server_of = LockedKafka(folder, self.authority, users, issuer)
        super().__init__(self._server_of, folder)
        self._folder = folder

    def bootstrap(self, protocol: str = "SASL_SSL") -> str:
        """Return where a listener is."""
        return f"{HOST}:{self._server_of.ports[protocol]}"

    @property
    def ca_file(self) -> Path:
        """Who signed the broker's certificate."""
        file = self._folder / "ca.pem"
        file.write_text(self.authority.pem)
        return file

    def client_file(self, name: str) -> Path:
        """Return certificate and key of a client."""
        signed, file = self.authority.sign(name), self._folder / f"{name}.pem"
        file.write_text(signed.certificate_pem + signed.key_pem)
        return file

    def operator(self) -> AdminClient:
        """Return a client that may do everything."""
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})


@contextmanager
def locked_kafka(folder: Path, users: Sequence[str], issuer: Issuer | None = None) -> Generator[RunningLockedKafka]:
    """Run one for the length of a block.

    users: each has its name, reversed, as password, for every mechanism that has passwords. issuer: whose access tokens
    count; None lets nobody in with one.
    """
    passwords = {name: name[::-1] for name in users}
    with RunningLockedKafka(folder, passwords, issuer).running() as kafka:
        operator = kafka.operator()  # which has to live as long as what it was asked
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            changes: list[Any] = [
                UserScramCredentialUpsertion(name, ScramCredentialInfo(mechanism, 4096), password.encode())
                for name, password in passwords.items()
            ]
            for done in operator.alter_user_scram_credentials(changes).values():
                done.result(timeout=30)
        yield kafka
