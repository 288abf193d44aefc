"""Settings: read once from the environment, bounded, and never changed. Invalid ones stop the start.

docs/settings.md is generated from this module: `make settings`.
"""

import difflib
import os
import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from rules.calendar import MAINLAND_CHINA, BadDecree, MainlandChina, read_decree
from rules.key_wrapping import NO_WRAPPING, OUTSIDE_KEY_BYTES, KeyWrapping, OutsideKey
from transport.kafka_security import KafkaSecurity, SaslMechanism, SecurityProtocol, UnusableSecurity

_PREFIX = "REDLETTER_"
_TEN_YEARS = timedelta(days=3660)


class InvalidSettings(Exception):
    """A setting is unknown or has an invalid value; the message is one sentence for whoever set it."""


@dataclass(frozen=True, slots=True)
class ValueForm:
    """How a value is written, for docs/settings.md. unit: of a number."""

    text: str
    unit: str = ""


def _matching(pattern: str, wanted: str) -> BeforeValidator:
    """Accept only values of this pattern; pydantic alone would accept other notations too."""

    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            msg = f"must be {wanted}"
            raise ValueError(msg)
        return value

    return BeforeValidator(check)


_WITH_PASSWORDS = (
    *("database_url", "read_database_url", "kafka_password", "oidc_client_secret", "api_token"),
    "sealing_key",
)
"""Settings whose values no message repeats, nor any value with an @: it may be a URL with a password."""
_WHOLE = _matching(r"-?[0-9]+", "a whole number")
_DECIMAL = _matching(r"-?[0-9]+(\.[0-9]+)?", "a number")
_DURATION = _matching(
    r"[+-]?P(?=[0-9T])([0-9]+W|([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?)",
    "an ISO 8601 duration in weeks, days, hours, minutes and seconds, such as P35D, PT1H or -PT5M",
)
_SERVER = re.compile(r"[^\s,:/@]+:([0-9]{1,5})")
_HOST = re.compile(r"[\w.:%-]+|/\S*|")
_WEB_ADDRESS = r"https?://[^\s/?#@]+(/[^\s?#]*)?"
_HOST_NAME = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)"
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_LAST_PORT = 65_535


def is_server(address: str) -> bool:
    """Return whether this is one ``host:port``."""
    found = _SERVER.fullmatch(address)
    return found is not None and 0 < int(found[1]) <= _LAST_PORT


def _servers(value: str | None) -> str | None:
    if value is None:
        return None
    if not all(map(is_server, value.split(","))):
        msg = "must be host:port, several joined by commas"
        raise ValueError(msg)
    return value


def _database(url: str | None) -> str | None:
    """Refuse URLs that libpq misreads or refuses: its own errors repeat parts of a password."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - not every command needs it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - the same

    msg = (
        "must be a URL such as postgresql://user:password@host:5432/name, in which a special character of the password "
        "is percent-encoded: @ as %40, : as %3A, / as %2F, % as %25"
    )
    if url is None:
        return None
    if not re.fullmatch(r"postgres(ql)?://\S+", url):
        raise ValueError(msg)
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        raise ValueError(msg) from None
    hosts, ports = (str(parts.get(name, "")).split(",") for name in ("host", "port"))
    if not all(map(_HOST.fullmatch, hosts)) or not all(port.isdecimal() or not port for port in ports):
        raise ValueError(msg)
    return url


def _private_url(pattern: str, wanted: str) -> AfterValidator:
    """Refuse a URL at which anybody on the way could replace keys, or read secrets.

    Source: OpenID Connect Discovery 1.0, section 7; RFC 6749, section 3.2, which allows a query.
    """

    def check(url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if not re.fullmatch(pattern, url) or not parts.hostname:
            msg = f"must be a URL such as {wanted}"
            raise ValueError(msg)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            msg = "must begin with https://, unless it leads to this machine"
            raise ValueError(msg)
        return url

    return AfterValidator(check)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _api(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        msg = "must be a URL such as https://redletter.example.com, without a query"
        raise ValueError(msg)
    return url.rstrip("/")


_SERVERS, _DATABASE = AfterValidator(_servers), AfterValidator(_database)
_ISSUER = _private_url(_WEB_ADDRESS, "https://login.example.com, without a query and without a password")
_TOKEN_ENDPOINT = _private_url(
    _WEB_ADDRESS + r"(\?[^\s#]*)?", "https://login.example.com/token, without a fragment and without a password"
)


class Settings(BaseSettings):
    """Everything that can be set: each field is an environment variable, ``REDLETTER_`` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, env_ignore_empty=True, extra="forbid", use_attribute_docstrings=True
    )

    kafka_bootstrap_servers: Annotated[str | None, _SERVERS, ValueForm("`host:port`, joined by commas")] = None
    """Kafka's bootstrap servers. If not set, `redletter up` runs an embedded Kafka, and other commands use it."""
    kafka_security_protocol: Annotated[
        SecurityProtocol, ValueForm("`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`")
    ] = "PLAINTEXT"
    """How every client connects to Kafka. With SSL the broker's certificate and host name are checked. The embedded
    Kafka is open to every user of this machine, unless this is `SASL_PLAINTEXT` with the mechanism `PLAIN`: then it
    lets in nobody but `REDLETTER_KAFKA_USERNAME`."""
    kafka_sasl_mechanism: Annotated[
        SaslMechanism | None, ValueForm("`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`")
    ] = None
    """How a client proves with SASL who it is."""
    kafka_username: Annotated[str | None, ValueForm("text")] = None
    """The user of SASL: one for each role, with the rights that `redletter acls` prints. With `OAUTHBEARER` it is the
    id of a client of the OAuth server."""
    kafka_password: Annotated[str | None, Field(repr=False), ValueForm("text")] = None
    """The password of that user, or the secret of that client."""
    kafka_token_url: Annotated[str | None, _TOKEN_ENDPOINT, ValueForm("`https://` URL")] = None
    """Where the OAuth server gives access tokens for `OAUTHBEARER`: its `token_endpoint`."""
    kafka_token_scope: Annotated[str | None, ValueForm("text")] = None
    """The scope to ask that server for, if it wants one."""
    kafka_ca_file: Annotated[Path | None, ValueForm("PEM file")] = None
    """Who may have signed the brokers' certificates; if not set, whom this machine trusts."""
    kafka_cert_file: Annotated[Path | None, ValueForm("PEM file")] = None
    """The client's certificate, for brokers that want one (mutual TLS)."""
    kafka_key_file: Annotated[Path | None, ValueForm("PEM file")] = None
    """The key of that certificate, unless it is in the same file."""
    database_url: Annotated[str | None, _DATABASE, ValueForm("`postgresql://` URL as libpq reads it")] = None
    """The PostgreSQL database. If not set, `redletter up` runs an embedded PostgreSQL, and other commands use it.
    Special characters of the password are percent-encoded."""
    read_database_url: Annotated[str | None, _DATABASE, ValueForm("`postgresql://` URL as libpq reads it")] = None
    """The database of the read models, if it is not to be that of the log: another load, another backup, another
    server. It is also what the api reads them from: there it may name standbys of that database."""
    api_host: Annotated[str, Field(pattern=r"^[\w.:-]+$"), ValueForm("address or host name")] = "127.0.0.1"
    """The address that the api listens on."""
    api_port: Annotated[int, _WHOLE, Field(ge=0, le=65_535), ValueForm("whole number")] = 8080
    """The port that the api listens on; 0 is any free one. `redletter up` takes any free one if it is not set and 8080
    is taken."""
    health_port: Annotated[
        Annotated[int, _WHOLE, Field(ge=0, le=65_535)] | None, ValueForm("whole number, 0 to 65,535")
    ] = None
    """The port on which a role serves `/livez`, `/readyz` and `/metrics` about itself, at the address of the api, to
    everybody who reaches it; 0 is any free one. If it is not set, nothing is served. `redletter up` takes a free port
    for each role, and prints it."""
    api_hosts: Annotated[
        str | None,
        _matching(rf"{_HOST_NAME}(,{_HOST_NAME})*", "host names without ports, joined by commas"),
        ValueForm("host names, joined by commas"),
    ] = None
    """The hosts for which the api answers, besides loopback names and `REDLETTER_API_HOST`. It refuses requests for any
    other: they may come from a page of somebody who lets their own host name lead to the api."""
    api_requests_per_minute: Annotated[
        Annotated[int, _WHOLE, Field(ge=1, le=10_000_000)] | None,
        ValueForm("whole number, 1 to 10,000,000", "requests"),
    ] = None
    """How many requests a caller may make at one api in a minute; more are answered 429. If it is not set, there is no
    limit: a portal is one caller for all its customers. With `REDLETTER_AUTH=none` there is none either, since nobody
    knows whose a request is."""
    auth: Annotated[Literal["none", "oidc"], ValueForm("`none` or `oidc`")] = "none"
    """Whom the api answers: with `none` everybody, so that it may listen on a loopback address only; with `oidc`
    whoever bears an access token of `REDLETTER_OIDC_ISSUER`."""
    auth_none_is_fine: Annotated[Literal["yes"] | None, ValueForm("`yes`")] = None
    """`yes` lets the api listen on any address without asking who calls, because something in front of it does."""
    oidc_issuer: Annotated[str | None, _ISSUER, ValueForm("`https://` URL")] = None
    """The OpenID provider that signs access tokens, exactly as in their claim `iss`."""
    oidc_audience: Annotated[str | None, ValueForm("text")] = None
    """What the claim `aud` of an access token must name."""
    oidc_client_id: Annotated[str | None, ValueForm("text")] = None
    """What the page is for the provider. If it is not set, nobody can log in to the page. The provider must know its
    redirect address, `https://HOST/login/callback`, and `https://HOST/logged-out` for after logging out."""
    oidc_client_secret: Annotated[str | None, Field(repr=False), ValueForm("text")] = None
    """The secret of that client."""
    api_url: Annotated[str | None, AfterValidator(_api), ValueForm("`https://` or `http://` URL")] = None
    """Where commands such as `redletter status` find the api. If it is not set, they find that of the running
    `redletter up`."""
    api_token: Annotated[
        str | None,
        Field(repr=False),
        _matching(r"[A-Za-z0-9._~+/-]+=*", "an access token without `Bearer`"),
        ValueForm("access token"),
    ] = None
    """The access token with which commands such as `redletter status` ask the api, if it wants one."""
    data_dir: Annotated[Path, ValueForm("folder")] = Field(default_factory=lambda: user_data_path("redletter"))
    """The folder of `redletter up`: files and logs of the embedded servers, and the addresses by which other commands
    find them. Two systems with different folders run side by side."""
    topic_partitions: Annotated[int, _WHOLE, Field(ge=1, le=1000), ValueForm("whole number", "partitions")] = 8
    """The number of partitions of every topic and of the log. It cannot change once they exist."""
    tax_repeat_seconds: Annotated[float, _DECIMAL, Field(ge=0.1, le=86_400), ValueForm("number", "seconds")] = 300
    """The time until a tax request without an answer is repeated for the first time."""
    tax_repeat_max_seconds: Annotated[float, _DECIMAL, Field(ge=0.1, le=604_800), ValueForm("number", "seconds")] = 7200
    """The longest time between two repeats of a tax request; must not be less than the first."""
    publish_after_standbys: Annotated[int, _WHOLE, Field(ge=0, le=100), ValueForm("whole number", "standbys")] = 0
    """How many streaming standbys of PostgreSQL must have flushed an entry of the log before it is published. With 1 or
    more, a failover to one of them loses nothing that was published. The relay's user needs `pg_read_all_stats`."""
    clock_shift: Annotated[
        timedelta,
        _DURATION,
        Field(ge=-_TEN_YEARS, le=_TEN_YEARS),
        ValueForm("ISO 8601 duration, such as `P35D` or `-PT5M`"),
    ] = timedelta()
    """Shifts the clock of every role, for tests and demos."""
    general_recorded_route: Annotated[Literal["simple", "form"], ValueForm("`simple` or `form`")] = "simple"
    """The return route of a general invoice that the buyer has recorded (docs/contract.md)."""
    sealing: Annotated[Literal["off", "on"], ValueForm("`off` or `on`")] = "off"
    """With `on`, names, remarks, descriptions and other free text of invoices that are registered from then on are
    sealed under a key of each invoice before they enter the log (docs/privacy.md). Consumers must then ask for keys."""
    sealing_key: Annotated[
        str | None,
        Field(repr=False),
        _matching(r"[A-Za-z0-9+/]{43}=", "32 bytes in base64, such as `openssl rand -base64 32` prints"),
        ValueForm("32 bytes in base64"),
    ] = None
    """The key from outside that wraps the keys of invoices. If neither it nor the file is set, these lie in the
    database as they are."""
    sealing_key_file: Annotated[Path | None, ValueForm("file with 32 bytes in base64")] = None
    """A file with that key."""
    retention_years: Annotated[int, _WHOLE, Field(ge=0, le=100), ValueForm("whole number", "years")] = 10
    """How long the texts of an invoice are kept after the last that happened to it; only then does `redletter erase`
    destroy its key."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], ValueForm("`debug`, `info`, `warning` or `error`")
    ] = "info"
    """The least important log records that are written."""
    calendar_file: Annotated[Path | None, ValueForm("JSON file")] = None
    """Business days as decreed for a year that the built-in calendar does not know yet:
    `{"version": text, "off": [dates], "working": [dates]}`."""
    alive_file: Annotated[Path | None, ValueForm("file")] = None
    """A file that a role touches every 5 seconds, for health checks. If not set, none is touched."""

    def answered_hosts(self) -> frozenset[str]:
        """Return the hosts for which the api answers, as in addresses: lower case, without ports."""
        own = f"[{self.api_host}]" if ":" in self.api_host else self.api_host
        return frozenset({*_LOOPBACK_NAMES, own.lower(), *(self.api_hosts or own).lower().split(",")})

    def kafka_security(self) -> KafkaSecurity:
        """Return how clients connect to Kafka. Raises: InvalidSettings."""
        security = KafkaSecurity(
            self.kafka_security_protocol,
            self.kafka_sasl_mechanism,
            self.kafka_username,
            self.kafka_password,
            self.kafka_ca_file,
            self.kafka_cert_file,
            self.kafka_key_file,
            self.kafka_token_url,
            self.kafka_token_scope,
        )
        try:
            security.options()
        except UnusableSecurity as error:
            msg = f"the settings {_PREFIX}KAFKA_SECURITY_PROTOCOL and so on do not fit together: {error}"
            raise InvalidSettings(msg) from None
        return security

    def key_wrapping(self) -> KeyWrapping:
        """Return what wraps the keys of invoices. Raises: InvalidSettings."""
        if self.sealing_key_file is None:
            return NO_WRAPPING if self.sealing_key is None else OutsideKey(b64decode(self.sealing_key))
        named = f"{variable('sealing_key_file')}: {str(self.sealing_key_file)!r}"
        try:
            key = b64decode(self.sealing_key_file.read_bytes().strip(), validate=True)
        except OSError as error:
            msg = f"{named} cannot be read: {error.strerror}"
            raise InvalidSettings(msg) from None
        except ValueError:
            key = b""
        if len(key) != OUTSIDE_KEY_BYTES:
            msg = f"{named} must hold 32 bytes in base64, as `openssl rand -base64 32` prints them"
            raise InvalidSettings(msg)
        return OutsideKey(key)

    def calendar(self) -> MainlandChina:
        """Return the calendar of business days, including `calendar_file`. Raises: InvalidSettings."""
        if self.calendar_file is None:
            return MAINLAND_CHINA
        try:
            return MainlandChina(read_decree(self.calendar_file.read_bytes()))
        except (OSError, BadDecree) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            msg = f"{variable('calendar_file')} names {str(self.calendar_file)!r}, which is not a calendar: {reason}"
            raise InvalidSettings(msg) from None


def read(**given: str) -> Settings:
    """Read the settings; what is given counts more than the environment. Raises: InvalidSettings."""
    _refuse_unknown(os.environ)
    try:
        settings = Settings(**given)  # pyright: ignore[reportArgumentType] - read as in the environment
    except ValidationError as error:
        raise InvalidSettings("; ".join(map(_sentence, error.errors(include_url=False)))) from None
    if settings.tax_repeat_max_seconds < settings.tax_repeat_seconds:
        msg = f"{_PREFIX}TAX_REPEAT_MAX_SECONDS must not be less than {_PREFIX}TAX_REPEAT_SECONDS"
        raise InvalidSettings(msg)
    if settings.auth == "oidc" and not (settings.oidc_issuer and settings.oidc_audience):
        msg = f"{_PREFIX}AUTH=oidc needs {_PREFIX}OIDC_ISSUER and {_PREFIX}OIDC_AUDIENCE"
        raise InvalidSettings(msg)
    if (settings.oidc_client_id is None) != (settings.oidc_client_secret is None):
        msg = f"{_PREFIX}OIDC_CLIENT_ID and {_PREFIX}OIDC_CLIENT_SECRET need each other"
        raise InvalidSettings(msg)
    settings.kafka_security()
    if settings.kafka_security_protocol != "PLAINTEXT" and settings.kafka_bootstrap_servers is None:
        _refuse_what_embedded_kafka_has_not(settings)
    if settings.sealing_key and settings.sealing_key_file:
        msg = f"set {_PREFIX}SEALING_KEY or {_PREFIX}SEALING_KEY_FILE, not both"
        raise InvalidSettings(msg)
    settings.key_wrapping()
    settings.calendar()
    return settings


def _refuse_what_embedded_kafka_has_not(settings: Settings) -> None:
    if (settings.kafka_security_protocol, settings.kafka_sasl_mechanism) != ("SASL_PLAINTEXT", "PLAIN"):
        msg = (
            f"the embedded Kafka asks who calls only with {_PREFIX}KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT and "
            f"{_PREFIX}KAFKA_SASL_MECHANISM=PLAIN; for another Kafka set {_PREFIX}KAFKA_BOOTSTRAP_SERVERS"
        )
        raise InvalidSettings(msg)
    for name in ("kafka_username", "kafka_password"):
        if not re.fullmatch(r"[A-Za-z0-9._-]+", getattr(settings, name)):
            msg = f"invalid {variable(name)}: for the embedded Kafka it is made of letters, digits, '.', '_' and '-'"
            raise InvalidSettings(msg)


def refuse_open_api(settings: Settings) -> None:
    """Refuse to let others than this machine reach an api, or a role's health, where nobody is asked who they are.

    Raises: InvalidSettings.
    """
    if settings.auth == "none" and settings.auth_none_is_fine is None and not is_loopback(settings.api_host):
        msg = (
            f"{_PREFIX}API_HOST={settings.api_host} would open the api and the health of roles to everybody: set "
            f"{_PREFIX}AUTH=oidc, or {_PREFIX}AUTH_NONE_IS_FINE=yes if something in front of it asks who calls"
        )
        raise InvalidSettings(msg)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return _PREFIX + name.upper()


def _refuse_unknown(names: Iterable[str]) -> None:
    known = [field.upper() for field in Settings.model_fields]
    for name in names:
        own = name.upper().removeprefix(_PREFIX)  # with the prefix any two settings would be alike
        if name.upper().startswith(_PREFIX) and own not in known:
            near = difflib.get_close_matches(own, known, n=1)
            msg = f"unknown setting {name}" + (f"; did you mean {variable(near[0])}?" if near else "")
            raise InvalidSettings(msg)


def _sentence(error: ErrorDetails) -> str:
    name = variable(str(error["loc"][0]))
    secret = name in map(variable, _WITH_PASSWORDS) or "@" in str(error["input"])
    value = "" if secret else f" {error['input']!r}"
    reason = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"invalid {name}{value}: {reason[0].lower()}{reason[1:]}"
