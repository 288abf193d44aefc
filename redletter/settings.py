"""Settings: read once from the environment, bounded, and never changed. Impossible ones stop the start."""

import difflib
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "REDLETTER_"
_TEN_YEARS = timedelta(days=3660)


class ImpossibleSettings(Exception):
    """The environment says something that cannot be done; the message is one sentence for whoever set it."""


class Settings(BaseSettings):
    """Everything that can be set, each as ``REDLETTER_`` and its name in capitals.

    kafka_bootstrap_servers, database_url: the real servers; without them `up` runs its own and the others find those.
        ``host:port`` joined by commas, and a libpq URL.
    api_host, api_port: where the api listens; port 0 is any free one.
    data_dir: the folder of the embedded servers' files.
    topic_partitions: of every topic but the relay's own; fixed once the topics exist.
    tax_repeat_seconds, tax_repeat_max_seconds: until an unanswered tax request is first repeated, and at most.
    clock_shift: ISO 8601 duration, may be negative; moves the clock of every role, for tests and demos.
    general_recorded_route: the return route of a general invoice that the buyer has recorded (product.md, section 6).
    log_level: the least important records that are written.
    alive_file: a file that a role touches every few seconds, for health checks; none is touched unless it is set.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True, extra="forbid")

    kafka_bootstrap_servers: Annotated[str, Field(pattern=r"^[^\s,:/]+:\d+(,[^\s,:/]+:\d+)*$")] | None = None
    database_url: Annotated[str, Field(pattern=r"^postgres(ql)?://\S+$")] | None = None
    api_host: Annotated[str, Field(pattern=r"^[\w.:-]+$")] = "127.0.0.1"
    api_port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    data_dir: Path = Field(default_factory=lambda: user_data_path("redletter"))
    topic_partitions: Annotated[int, Field(ge=1, le=1000)] = 8
    tax_repeat_seconds: Annotated[float, Field(ge=0.1, le=86_400)] = 300
    tax_repeat_max_seconds: Annotated[float, Field(ge=0.1, le=604_800)] = 7200
    clock_shift: Annotated[timedelta, Field(ge=-_TEN_YEARS, le=_TEN_YEARS)] = timedelta()
    general_recorded_route: Literal["simple", "form"] = "simple"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    alive_file: Path | None = None


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
    return settings


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def _refuse_unknown(names: Iterable[str]) -> None:
    known = [variable(field) for field in Settings.model_fields]
    for name in names:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            meant = f"; {near[0]} is, if you meant that" if near else ""
            msg = f"{name} is no setting of Redletter{meant}"
            raise ImpossibleSettings(msg)


def _sentence(told: ErrorDetails) -> str:
    name = variable(str(told["loc"][0]))
    # A database URL holds a password.
    value = "its value" if name == variable("database_url") else repr(told["input"])
    return f"{name} cannot be {value}: {told['msg'][0].lower()}{told['msg'][1:]}"
