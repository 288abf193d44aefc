"""Every refusal of a command, as the table refusal_kinds.toml has it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from events.refusal_codes import Code

Resolver = Literal["sender", "customer", "finance department", "operator", "nobody"]
"""Who can do something about a refusal. sender: the program that sent the command. nobody: it is as it should be."""


@dataclass(frozen=True, slots=True)
class RefusalKind:
    """What is the same for every refusal with a code.

    sentence: what is wrong and what to do, with the facts to be filled in.
    resolved_by: who can do something about it. facts: what details may hold; of a field's fault, beside code, field and
    message. retry: the same command may be accepted later, with nothing changed in it.
    tells_version: the reply carries the invoice's version, if the invoice is the caller's.
    """

    sentence: str
    resolved_by: Resolver
    facts: tuple[str, ...] = ()
    retry: bool = False
    tells_version: bool = True


_TABLE = Path(__file__).with_suffix(".toml")
KINDS: Mapping[Code, RefusalKind] = TypeAdapter(dict[Code, RefusalKind]).validate_python(
    tomllib.loads(_TABLE.read_text(encoding="utf-8"))
)
