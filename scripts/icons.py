"""The page's icons: a few of Lucide's, as one sprite, with their licence: ``make icons``."""

import json
import re
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "node_modules" / "lucide-static"
SPRITE = _ROOT / "web" / "console" / "templates" / "icons.svg"
LICENCE = _ROOT / "web" / "console" / "static" / "icons-licence.txt"
ICONS = (
    "arrow-down",
    "arrow-up",
    "check",
    "chevron-down",
    "circle-check",
    "columns-3",
    "copy",
    "download",
    "search",
    "triangle-alert",
)
"""Lucide's names of those that the page uses."""


def version() -> str:
    """Return the version of lucide-static in package-lock.json."""
    return json.loads((_ROOT / "package-lock.json").read_text())["packages"]["node_modules/lucide-static"]["version"]


def sprite() -> str:
    """Return the sprite: a symbol for each icon. Every page holds it, so that showing one asks for nothing."""
    symbols = "".join(f'<symbol id="icon-{name}" viewBox="0 0 24 24">{_shapes(name)}</symbol>\n' for name in ICONS)
    return f'<svg class="unseen" aria-hidden="true">\n{symbols}</svg>\n'


def _shapes(name: str) -> str:
    """Return what is drawn, without the element around it: the page's style says how wide and in which colour."""
    drawn = re.search(r"<svg[^>]*>(.*)</svg>", (_PACKAGE / "icons" / f"{name}.svg").read_text(), re.DOTALL)
    assert drawn, name
    return re.sub(r"\s*\n\s*", "", drawn[1])


if __name__ == "__main__":
    SPRITE.write_text(sprite())
    LICENCE.write_text((_PACKAGE / "LICENSE").read_text())
