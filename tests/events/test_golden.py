"""What was ever published reads as it did, byte for byte, and no schema changes unannounced."""

from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from events.asyncapi.document import asyncapi_document
from events.catalogue import EVENT_TYPES, json_of, read_event
from events.schemas import EXAMPLES, TYPES, schema
from tests.events.support.approving import ASYNCAPI, SCHEMAS, announced, changelog_of_messages, digest, written
from tests.events.support.messages import MESSAGES

FILES = sorted(EXAMPLES.glob("*.json"))
HOW = (
    "has changed under its old name. Let it be, or publish a new version beside it with an upcaster; for a new field "
    'with a default say so in CHANGELOG.md under "### Messages" and run: make approve ENTRY="..."'
)


def name_of(file: Path) -> str:
    return ".".join(file.name.split(".")[:2])


def test_every_message_has_golden_bytes() -> None:
    assert {name_of(file) for file in FILES} == set(TYPES)
    assert set(MESSAGES) == set(TYPES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_golden_bytes_read_and_are_written_alike(file: Path) -> None:
    name, golden = name_of(file), file.read_bytes()
    message = read_event(name, golden) if name in EVENT_TYPES else TYPES[name].model_validate_json(golden)
    assert json_of(message) == golden, f"the JSON of {name} {HOW}"


@pytest.mark.parametrize(("name", "which"), [(name, which) for name, made in MESSAGES.items() for which in made])
def test_today_the_same_message_is_written_in_the_same_bytes(name: str, which: str) -> None:
    assert json_of(MESSAGES[name][which]) == (EXAMPLES / f"{name}.{which}.json").read_bytes(), (
        f"the JSON of {name} {HOW}"
    )


@pytest.mark.parametrize("name", TYPES)
def test_no_schema_changes_without_a_new_version_or_a_word_in_the_changelog(name: str) -> None:
    history = announced()[name]
    assert history[-1]["schema"] == digest(schema(name)), f"the schema of {name} {HOW}"
    entries = Counter(one["changelog"] for one in history)
    assert [entry for entry in entries if entry not in changelog_of_messages()] == [], "not in CHANGELOG.md any more"
    assert set(entries.values()) == {1}, "each change of a schema has an entry of its own"


@pytest.mark.parametrize("name", TYPES)
def test_the_schema_on_file_is_the_published_one(name: str) -> None:
    """If it is not, and it is only words or examples that changed: `make approve`."""
    assert (SCHEMAS / f"{name}.json").read_text() == written(schema(name))


def test_the_description_of_the_topics_on_file_is_the_published_one() -> None:
    """If it is not: `make approve`."""
    assert ASYNCAPI.read_text() == written(asyncapi_document(version("redletter")))


def test_no_message_disappears() -> None:
    assert set(announced()) == set(TYPES)
    assert {file.name.removesuffix(".json") for file in SCHEMAS.iterdir()} == set(TYPES)
