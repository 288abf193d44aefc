"""A public name means one thing in the tree, so that a reader who has met it once knows it everywhere."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from projections.engine.fingerprint import parse_module
from tests.conventions.support.tree import ROOT, tracked

ROOMS = ("events", "rules", "transport", "service", "projections", "web", "local", "tax_simulator", "redletter")
RHYTHM = {
    "log": "a logger for each module",
    "router": "the routes of a module",
    "fold": "one for each read model",
    "changes": "one for each read model with items",
    "of": "one for each module of queries",
    "page": "one for each list",
    "run": "one for each role",
    "read": "one for each format",
    "write": "one for each format",
    "install": "one for each part of an application",
    "migrate": "the command, and the migrations that it runs",
    "main": "the entry points",
}
"""Names that every module of a kind has, and why."""


def test_a_public_name_means_one_thing() -> None:
    """A command of the command line bears the name of what it calls."""
    where: dict[str, set[str]] = defaultdict(set)
    for path in tracked():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ROOMS and "migrations" not in path.parts:
            if path.is_relative_to(ROOT / "redletter" / "cli"):
                continue
            for name in public_names(path):
                where[name].add(str(path.relative_to(ROOT)))
    twice = {name: sorted(paths) for name, paths in where.items() if len(paths) > 1 and name not in RHYTHM}
    assert twice == {}


def public_names(path: Path) -> Iterator[str]:
    """Yield the public names that a module defines at its top level."""
    for node in parse_module(path.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_"))
