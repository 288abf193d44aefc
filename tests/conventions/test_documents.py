"""The documents say what the code does, and every reference leads somewhere."""

import re
from functools import cache
from pathlib import Path

import pytest

from events.catalogue import COMMAND_TYPES, EVENT_TYPES, NOTICE_TYPES, REPLY_TYPES, TAX_REQUEST_TYPES
from events.topics import TOPICS
from scripts import privacy_page, refusals_page, settings_page
from service.invoice import refusal_kinds
from tests.conventions.support.tree import ROOT, tracked

DOCUMENTS = [path for path in tracked() if path.suffix == ".md" and path.is_file()]
CONTRACT = (ROOT / "docs" / "contract.md").read_text()
TAX_RULES = (ROOT / "docs" / "tax-rules.md").read_text()
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CITED = re.compile(r"\bdocs/[\w./-]+\.(?:md|json)(?:#[\w-]+)?")
NAMED_FILE = re.compile(r"`((?:tests|scripts|benchmarks|local|redletter|web)/[\w/-]+\.(?:py|sh))\b")
TAG = re.compile(r"docs/tax-rules\.md \[(\w+)\]")
INSTALLS = re.compile(r"\b(?:pip install|uv add|uvx|pipx install|npm install) .*")
OWN_PACKAGE = re.compile(r"(?<![\w./-])redletter(?:[-_]\w+)?(?=[\s'\"\[,`]|$)")
"""One of ours by its name alone; no index has it, and whoever took the name there would be installed."""
WORKPLACE = re.compile(r"product\.md|domain\.md|\bthe contract's table\b|rules' table")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    for found in LINK.finditer(document.read_text()):
        target = found[1] or found[2]
        if "://" not in target:
            file, _, heading = target.partition("#")
            path = (document.parent / file) if file else document
            assert path.exists(), f"{target} in {document.name}"
            assert not heading or heading in headings(path), f"{target} in {document.name}"


def test_every_file_that_a_document_names_exists() -> None:
    named = {found for document in DOCUMENTS for found in NAMED_FILE.findall(document.read_text())}
    assert named
    assert [file for file in sorted(named) if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("source", [path for path in tracked() if path.suffix == ".py"], ids=lambda path: path.stem)
def test_every_citation_in_the_code_leads_to_a_page(source: Path) -> None:
    if source == Path(__file__):
        return
    text = source.read_text()
    for cited in CITED.findall(text):
        file, _, heading = cited.partition("#")
        assert (ROOT / file).exists(), cited
        assert not heading or heading in headings(ROOT / file), cited
    for tag in TAG.findall(text):
        assert f"| [{tag}] |" in TAX_RULES, tag
    assert WORKPLACE.search(text) is None
    assert re.search(r"(?<!docs/tax-rules\.md )\[(?:LQ|A11|STA|KD|SC)\]", text) is None, (
        "a tag says which page it is on"
    )


@cache
def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", [*COMMAND_TYPES, *EVENT_TYPES, *REPLY_TYPES, *NOTICE_TYPES, *TAX_REQUEST_TYPES])
def test_the_contract_names_every_message(name: str) -> None:
    assert re.search(rf"\b{name.partition('.')[0]}\b", CONTRACT)


@pytest.mark.parametrize("topic", [topic.name for topic in TOPICS])
def test_the_contract_names_every_topic(topic: str) -> None:
    assert f"`{topic}`" in CONTRACT


@pytest.mark.parametrize("code", refusal_kinds.KINDS)
def test_the_contract_names_every_refusal(code: str) -> None:
    assert re.search(rf"\b{code}\b", CONTRACT)


def test_the_page_of_the_settings_is_current() -> None:
    """If it is not: `make settings`."""
    assert settings_page.PAGE.read_text() == settings_page.page()


def test_the_page_of_the_refusals_is_current() -> None:
    """If it is not: `make refusals`."""
    assert refusals_page.PAGE.read_text() == refusals_page.page()


def test_the_page_of_personal_data_is_current() -> None:
    """If it is not: `make privacy`."""
    assert privacy_page.PAGE.read_text() == privacy_page.page()


def test_every_path_that_a_document_names_is_there() -> None:
    gone = [
        f"{document.relative_to(ROOT)}: {name}"
        for document in tracked()
        if document.suffix == ".md"
        for name in re.findall(r"`((?:tests|scripts)/[\w/.-]+)(?:::\w+)?`", document.read_text())
        if not (ROOT / name).exists()
    ]
    assert gone == []


@pytest.mark.parametrize("line", ["pip install 'redletter[embedded]'", "`pip install aiokafka redletter-events`"])
def test_the_name_of_a_package_of_ours_is_noticed_where_it_is_installed(line: str) -> None:
    assert installs_by_name(line)


def test_nothing_tells_to_install_a_package_of_ours_by_its_name() -> None:
    others = [path for path in tracked() if path.is_file() and path != Path(__file__)]
    texts = {str(path.relative_to(ROOT)): path.read_text(errors="replace") for path in others}
    assert {name: found for name, text in texts.items() if (found := installs_by_name(text))} == {}
    assert [name for name, text in texts.items() if "pypi.org/project/redletter" in text] == []


def installs_by_name(text: str) -> list[str]:
    return [line for line in INSTALLS.findall(text) if OWN_PACKAGE.search(line)]


def test_no_tracked_file_holds_a_path_of_somebodys_machine() -> None:
    homes = re.compile(r"(?<![\w.:/-])/[(]?(home|root|Users|work)/\w")
    found = [path.name for path in tracked() if path.is_file() and homes.search(path.read_text(errors="replace"))]
    assert found == []


def test_every_promise_to_others_names_a_test_that_is_there() -> None:
    rows = [row for row in (ROOT / "docs/integrate/guarantees.md").read_text().splitlines() if row.startswith("| **")]
    assert rows
    for row in rows:
        proofs = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.rsplit("|", 2)[1])
        assert proofs, row
        assert [name for file, name in proofs if f"def {name}(" not in (ROOT / file).read_text()] == []


def test_every_decision_record_says_what_enforces_it() -> None:
    for record in sorted((ROOT / "docs" / "adr").glob("*.md")):
        text = record.read_text()
        missing = [
            part for part in ("Context", "Decision", "Consequences", "Alternatives", "Enforced by") if part not in text
        ]
        assert missing == [], record.name


def test_decision_records_are_numbered_one_after_the_other() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
    assert [record.read_text().split(".")[0] for record in records] == [f"# {int(one.name[:4])}" for one in records]
