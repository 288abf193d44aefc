"""What of the published language is approved: the bytes of every message, and its schema.

``make approve`` writes what is new: golden bytes are never written over, and a schema only together with the line of
the changelog that announces it.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from events import schemas
from events.catalogue import (
    COMMAND_TYPES,
    EVENT_TYPES,
    NOTICE_TYPES,
    REPLY_TYPES,
    STATUS_TYPES,
    TAX_REQUEST_TYPES,
    json_of,
)
from events.values import Message
from tests.events.support.messages import MESSAGES

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parents[1] / "golden"
SCHEMAS = ROOT / "docs" / "schemas"
ANNOUNCED = SCHEMAS / "announced.json"
TYPES: dict[str, type[Message]] = {
    **COMMAND_TYPES,
    **EVENT_TYPES,
    **REPLY_TYPES,
    **NOTICE_TYPES,
    **TAX_REQUEST_TYPES,
    **STATUS_TYPES,
}


def schema(name: str) -> dict[str, Any]:
    """Return a message's JSON Schema, without the words that explain it."""
    return _bare(schemas.schema(name))


def _bare(node: Any) -> Any:
    if isinstance(node, list):
        return [_bare(one) for one in node]
    if not isinstance(node, dict):
        return node
    # A property may be called description, and is then no string.
    return {key: _bare(value) for key, value in node.items() if not (_explains(key) and isinstance(value, str))}


def _explains(key: str) -> bool:
    return key in {"title", "description"}


def digest(of: dict[str, Any]) -> str:
    """Return what distinguishes one schema from another."""
    return sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]


def announced() -> dict[str, list[dict[str, str]]]:
    """Return, for every message, the schemas it has had: each with the line of the changelog that announced it."""
    return json.loads(ANNOUNCED.read_text()) if ANNOUNCED.exists() else {}


def changelog_of_messages() -> list[str]:
    """Return the entries of the changelog under its headings *Messages*."""
    lines: list[str] = []
    within = False
    for line in (ROOT / "CHANGELOG.md").read_text().splitlines():
        within = line == "### Messages" if line.startswith("#") else within
        if within and line.startswith("- "):
            lines.append(line[2:])
        elif within and line.startswith("  ") and lines:
            lines[-1] += f" {line.strip()}"
    return lines


def approve(entry: str) -> None:
    """Approve all that is new or changed, announced by this entry of the changelog."""
    if entry not in changelog_of_messages():
        sys.exit("first write that entry under ### Messages in CHANGELOG.md")
    GOLDEN.mkdir(exist_ok=True)
    for name, made in MESSAGES.items():
        for which, message in made.items():
            path = GOLDEN / f"{name}.{which}.json"
            if not path.exists():
                path.write_bytes(json_of(message))
    SCHEMAS.mkdir(exist_ok=True)
    known = announced()
    for name in TYPES:
        now = schema(name)
        (SCHEMAS / f"{name}.json").write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n")
        history = known.setdefault(name, [])
        if not history or history[-1]["schema"] != digest(now):
            history.append({"schema": digest(now), "changelog": entry})
    ANNOUNCED.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit('usage: make approve ENTRY="the entry under ### Messages in CHANGELOG.md that announces the change"')
    approve(sys.argv[1])
