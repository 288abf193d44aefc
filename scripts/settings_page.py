"""Write docs/settings.md from redletter/settings.py: ``python -m scripts.settings_page``."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from redletter.settings import Settings, ValueForm, variable

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """\
# Settings

Settings are environment variables. They are read once, at the start; an unknown or invalid one stops it with one
sentence. An empty variable counts as not set.

This page is generated from [settings.py](../redletter/settings.py) by `make settings`.

| variable | value | default | unit | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    return HEAD + "".join(f"| {' | '.join(_cells(name, field))} |\n" for name, field in Settings.model_fields.items())


def _cells(name: str, field: FieldInfo) -> Iterator[str]:
    form = next(each for each in field.metadata if isinstance(each, ValueForm))
    yield f"`{variable(name)}`"
    yield form.text + _bounds(field.metadata)
    yield _default(field)
    yield form.unit
    yield " ".join((field.description or "").split())


def _bounds(metadata: list[Any]) -> str:
    lowest, highest = (
        next((value for each in metadata if isinstance(value := getattr(each, name, None), int | float)), None)
        for name in ("ge", "le")
    )
    return "" if lowest is None or highest is None else f", {lowest:g} to {highest:,g}"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "`redletter` in the user's data folder"
    match field.default:
        case None:
            return ""
        case timedelta():
            return "no shift"
        case value:
            return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page())
