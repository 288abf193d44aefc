"""What tests import: nothing from each other, and of a module that they need much of, the module itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conventions.support.tree import ROOT, tracked

MAX_NAMES = 8
"""Names that a module may import from one other module; whoever needs more says ``orders.register``."""
MODULES = [path for path in tracked() if path.is_relative_to(ROOT / "tests") and path.suffix == ".py"]


def test_no_module_imports_from_a_test_module_or_a_conftest() -> None:
    wrong = {str(path.relative_to(ROOT)): [*filter(is_collected, imported(path))] for path in MODULES}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_no_module_imports_many_names_of_another() -> None:
    many = [
        f"{path.relative_to(ROOT)} from {node.module}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and len(node.names) > MAX_NAMES
    ]
    assert many == []


def imported(path: Path) -> Iterator[str]:
    """Yield every name that a module imports, dotted, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case _:
                pass


def is_collected(name: str) -> bool:
    """Return whether a dotted name leads to a module that pytest itself imports."""
    return any(part == "conftest" or part.startswith("test_") for part in name.split("."))
