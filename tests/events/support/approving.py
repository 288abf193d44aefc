"""What of the published language is approved: the bytes of every message, and its schema.

``make approve`` writes what is new: the bytes of an example are never written over, and a schema that takes or gives
anything else only together with the line of the changelog that announces it. Words and examples may change freely.
"""

import json
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from events.asyncapi.document import asyncapi_document
from events.catalogue import json_of
from events.schemas import EXAMPLES, TYPES, schema
from tests.events.support.messages import MESSAGES

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "docs" / "schemas"
ASYNCAPI = ROOT / "docs" / "asyncapi.json"
ANNOUNCED = Path(__file__).parents[1] / "announced.json"


def digest(of: dict[str, Any]) -> str:
    """Return what distinguishes one schema from another, whatever the words that explain it."""
    return sha256(json.dumps(_bare(of), sort_keys=True).encode()).hexdigest()[:16]


def _bare(node: Any) -> Any:
    if isinstance(node, list):
        return [_bare(one) for one in node]
    if not isinstance(node, dict):
        return node
    # A property may be called description, and is then no string.
    return {key: _bare(value) for key, value in node.items() if not _explains(key, value)}


def _explains(key: str, value: object) -> bool:
    kind = {"$schema": str, "title": str, "description": str, "examples": list}.get(key)
    return kind is not None and isinstance(value, kind)


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
    """Approve all that is new or changed, announced by this entry of the changelog. entry: "" for words alone."""
    for name, made in MESSAGES.items():
        for which, message in made.items():
            path = EXAMPLES / f"{name}.{which}.json"
            if not path.exists():
                path.write_bytes(json_of(message))
    known = announced()
    changed = [name for name in TYPES if _latest(known, name) != digest(schema(name))]
    if changed and entry not in changelog_of_messages():
        sys.exit(f"write an entry under ### Messages in CHANGELOG.md that announces the change of {', '.join(changed)}")
    for name in changed:
        known.setdefault(name, []).append({"schema": digest(schema(name)), "changelog": entry})
    for name in TYPES:
        (SCHEMAS / f"{name}.json").write_text(written(schema(name)))
    ASYNCAPI.write_text(written(asyncapi_document(version("redletter"))))
    ANNOUNCED.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n")


def written(document: dict[str, Any]) -> str:
    """Return a schema, or the description of the topics, as it stands in its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _latest(known: dict[str, list[dict[str, str]]], name: str) -> str | None:
    return known[name][-1]["schema"] if name in known else None


if __name__ == "__main__":
    approve(" ".join(sys.argv[1:]))
