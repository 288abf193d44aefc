"""`asyncapi` and `schemas`: the published contract, for generators and other programs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from local import terminal
from redletter.cli.exits import FAILED, exit_with

contract_commands = typer.Typer()


@contract_commands.command(short_help="Print all topics and messages as AsyncAPI.")
def asyncapi() -> None:
    """Print all topics and messages as AsyncAPI 3.0.

    Example:  redletter asyncapi > redletter.json && npx @asyncapi/cli generate models java redletter.json
    """
    from importlib.metadata import version

    from events.asyncapi.document import asyncapi_document

    terminal.print_json(asyncapi_document(version("redletter")))


@contract_commands.command(short_help="Print the JSON Schema of every message.")
def schemas(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Write each to a file here; it is created.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of every message.

    One schema per line; with a folder each goes to a file there, such as RequestReturn.v1.json.

    Example, classes for Python:  redletter schemas schemas && datamodel-codegen --input schemas --output models
    """
    from events.schemas import TYPES, schema

    if folder is None:
        for name in TYPES:
            terminal.print_json(schema(name))
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in TYPES:
            (folder / f"{name}.json").write_text(json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        exit_with(f"cannot write to {folder}: {error.strerror}", FAILED)
