"""Python that is generated from the schemas has classes with names, types and words.

TypeScript is looked at in `scripts/check_contract.mjs`, Java in `scripts/java_classes.py`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from events.schemas import EXAMPLES, TYPES, schema
from tests.events.support.approving import SCHEMAS

PACKAGE = "generated_from_schemas"
"""Of the one file that datamodel-code-generator makes of each schema, `RequestReturn_v1.py`."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Generate classes in pydantic from every schema."""
    folder = tmp_path_factory.mktemp("generated")
    options = "--input-file-type jsonschema --output-model-type pydantic_v2.BaseModel --target-python-version 3.11"
    generator = Path(sys.executable).with_name("datamodel-codegen")
    command = [generator, "--input", SCHEMAS, "--output", folder / PACKAGE, "--formatters", "builtin", *options.split()]
    subprocess.run(command, check=True, timeout=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield PACKAGE


def generated(package: str, name: str) -> ModuleType:
    return import_module(f"{package}.{name.replace('.', '_')}")


@pytest.mark.parametrize("name", TYPES)
def test_every_class_in_python_has_the_name_that_its_schema_gives(package: str, name: str) -> None:
    source = Path(generated(package, name).__file__ or "").read_text()
    classes = {node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    assert classes == {schema(name)["title"], *schema(name)["$defs"]}


@pytest.mark.parametrize("name", TYPES)
def test_the_generated_class_reads_the_published_bytes_and_writes_them_alike(package: str, name: str) -> None:
    kind: type[BaseModel] = getattr(generated(package, name), TYPES[name].__name__)
    for file in EXAMPLES.glob(f"{name}.*"):
        read = kind.model_validate_json(file.read_bytes())
        again = read.model_dump_json(by_alias=True, exclude_none=True).encode()
        assert TYPES[name].model_validate_json(again) == TYPES[name].model_validate_json(file.read_bytes())
