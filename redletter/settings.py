"""Settings: read once from the environment, bounded, and never changed. Impossible ones stop the start."""

import difflib
import os
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from rules.calendar import MAINLAND_CHINA, BadDecree, MainlandChina, read_decree

PREFIX = "REDLETTER_"
_TEN_YEARS = timedelta(days=3660)


class ImpossibleSettings(Exception):
    """The environment says something that cannot be done; the message is one sentence for whoever set it."""


def _written(pattern: str, wanted: str) -> BeforeValidator:
    """Take nothing but what is written so; pydantic alone would guess what else may be meant."""

    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            msg = f"must be {wanted}"
            raise ValueError(msg)
        return value

    return BeforeValidator(check)


_WHOLE = _written(r"-?[0-9]+", "a whole number")
_DECIMAL = _written(r"-?[0-9]+(\.[0-9]+)?", "a number")
_DURATION = _written(
    r"[+-]?P(?=[0-9T])([0-9]+W|([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?)",
    "an ISO 8601 duration in weeks, days, hours, minutes and seconds, such as P35D, PT1H or -PT5M",
)
_SERVER = re.compile(r"[^\s,:/@]+:([0-9]{1,5})")
_HOST = re.compile(r"[\w.:%-]+|/\S*|")
_LAST_PORT = 65_535


def _servers(value: str) -> str:
    found = [_SERVER.fullmatch(server) for server in value.split(",")]
    if not all(server and 0 < int(server[1]) <= _LAST_PORT for server in found):
        msg = "must be host:port, several joined by commas"
        raise ValueError(msg)
    return value


def _database(url: str) -> str:
    """Refuse what libpq would not take for what was meant: its own errors repeat parts of a password."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - not every command needs it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    msg = (
        "must be a URL such as postgresql://user:password@host:5432/name, in which a special character of the password "
        "is percent-encoded: @ as %40, : as %3A, / as %2F, % as %25"
    )
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


class Settings(BaseSettings):
    """Everything that can be set, each as ``REDLETTER_`` and its name in capitals.

    kafka_bootstrap_servers, database_url: the real servers; without them `up` runs its own and the others find those.
        ``host:port`` joined by commas, and a libpq URL.
    api_host, api_port: where the api listens; port 0 is any free one.
    data_dir: the folder of the embedded servers' files.
    topic_partitions: of every topic, and of the log; fixed once the topics exist.
    tax_repeat_seconds, tax_repeat_max_seconds: until an unanswered tax request is first repeated, and at most.
    clock_shift: ISO 8601 duration, may be negative; moves the clock of every role, for tests and demos.
    general_recorded_route: the return route of a general invoice that the buyer has recorded (docs/contract.md).
    log_level: the least important records that are written.
    calendar_file: business days as decreed for a year that the calendar does not know yet, as JSON: {"version": text,
        "off": [dates], "working": [dates]}.
    alive_file: a file that a role touches every few seconds, for health checks; none is touched unless it is set.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True, extra="forbid")

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_servers)] | None = None
    database_url: Annotated[str, AfterValidator(_database)] | None = None
    api_host: Annotated[str, Field(pattern=r"^[\w.:-]+$")] = "127.0.0.1"
    api_port: Annotated[int, _WHOLE, Field(ge=0, le=65_535)] = 8080
    data_dir: Path = Field(default_factory=lambda: user_data_path("redletter"))
    topic_partitions: Annotated[int, _WHOLE, Field(ge=1, le=1000)] = 8
    tax_repeat_seconds: Annotated[float, _DECIMAL, Field(ge=0.1, le=86_400)] = 300
    tax_repeat_max_seconds: Annotated[float, _DECIMAL, Field(ge=0.1, le=604_800)] = 7200
    clock_shift: Annotated[timedelta, _DURATION, Field(ge=-_TEN_YEARS, le=_TEN_YEARS)] = timedelta()
    general_recorded_route: Literal["simple", "form"] = "simple"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    calendar_file: Path | None = None
    alive_file: Path | None = None

    def calendar(self) -> MainlandChina:
        """Return the calendar of business days, with the decree that was handed in. Raises: ImpossibleSettings."""
        if self.calendar_file is None:
            return MAINLAND_CHINA
        try:
            return MainlandChina(read_decree(self.calendar_file.read_bytes()))
        except (OSError, BadDecree) as error:
            said = error.strerror if isinstance(error, OSError) else error
            msg = f"{variable('calendar_file')} names {str(self.calendar_file)!r}, which is no calendar: {said}"
            raise ImpossibleSettings(msg) from None


def read() -> Settings:
    """Read the settings. Raises: ImpossibleSettings."""
    _refuse_unknown(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        raise ImpossibleSettings("; ".join(map(_sentence, error.errors(include_url=False)))) from None
    if settings.tax_repeat_max_seconds < settings.tax_repeat_seconds:
        msg = f"{PREFIX}TAX_REPEAT_MAX_SECONDS must not be less than {PREFIX}TAX_REPEAT_SECONDS"
        raise ImpossibleSettings(msg)
    settings.calendar()
    return settings


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def _refuse_unknown(names: Iterable[str]) -> None:
    known = [variable(field) for field in Settings.model_fields]
    for name in names:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            msg = f"unknown setting {name}" + (f"; did you mean {near[0]}?" if near else "")
            raise ImpossibleSettings(msg)


def _sentence(told: ErrorDetails) -> str:
    name = variable(str(told["loc"][0]))
    # A database URL holds a password.
    value = "its value" if name == variable("database_url") else repr(told["input"])
    reason = told["msg"].removeprefix("Value error, ")
    return f"{name} cannot be {value}: {reason[0].lower()}{reason[1:]}"
