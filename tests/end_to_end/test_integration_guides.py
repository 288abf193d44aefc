"""Every line of code on the pages for other teams runs, in the order in which it stands there."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from events import envelopes
from scripts.container_recipes import PAGE, RECIPES, Recipe
from tests.end_to_end.support.client import Client
from tests.end_to_end.support.shared import Shared
from tests.faults.support.roles import PROGRAM

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = Path(__file__).parents[2] / "docs" / "integrate"
RUN = {
    "publish.md": ["text", "json", "console", "python"],
    "subscribe.md": ["python", "python"],
    "test.md": ["python", "console"],
    "containers.md": ["console", *(recipe.language for recipe in RECIPES)],
}
"""The blocks of code that are run, by page; those in containers by `make test-image`."""

SHOWN = ("InvoiceIssued", "ReturnRequested")
"""What becomes of the records that are shown whole."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


@pytest.fixture
def environment(shared: Shared) -> dict[str, str]:
    """Of a program of another team: it knows where Kafka is, and finds `redletter`."""
    return {
        **os.environ,
        **shared.roles.environment,
        "REDLETTER_KAFKA_BOOTSTRAP_SERVERS": shared.addresses.kafka,
        "REDLETTER_DATABASE_URL": shared.addresses.database,
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold the file of commands that the pages speak of."""
    (tmp_path / "commands.jsonl").write_text(blocks("publish.md", "json")[0])
    return tmp_path


async def published_as_shown(client: Client, record: str) -> str:
    """Publish a record of the page, byte for byte; return its id."""
    parts = [tuple(line.split(maxsplit=1)) for line in record.splitlines()]
    headers = [header.split(": ", 1) for name, header in parts if name == "header"]
    whole = {name: rest for name, rest in parts if name != "header"}
    written = [(name, value.encode()) for name, value in headers]
    await client.producer.send_and_wait(
        whole["topic"], whole["value"].encode(), key=whole["key"].encode(), headers=written
    )
    return envelopes.read(written, whole["value"].encode()).id or ""


async def test_records_that_are_sent_as_they_are_shown_are_accepted_and_so_are_the_lines_and_programs_after_them(
    shared: Shared, environment: dict[str, str], folder: Path
) -> None:
    for record, answer in zip(blocks("publish.md", "text")[0].split("\n\n"), SHOWN, strict=True):
        answered = await shared.billing.answered(await published_as_shown(shared.billing, record))
        assert answered.answer == answer
    for line in "".join(blocks("publish.md", "console")).splitlines():
        await shell(line, environment, folder)
    (publishing,) = blocks("publish.md", "python")
    assert await program(publishing, environment) == "accepted return_in_progress\n"
    following, caching = blocks("subscribe.md", "python")
    number = "26312000000000000001"
    assert await first_line(following, environment, number) == f"{number} is being returned"
    (await shared.http.get(f"/invoices/{number}/status", params={"min_version": 2, "wait": 30})).raise_for_status()
    async with asyncio.timeout(60):
        while f"{number} return_in_progress" not in await program(caching, environment):
            await asyncio.sleep(0.2)


async def shell(line: str, environment: dict[str, str], folder: Path) -> None:
    ran = await asyncio.create_subprocess_shell(
        line, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await ran.communicate()
    assert ran.returncode == 0, (line, out, err)


async def program(source: str, environment: dict[str, str]) -> str:
    """Run a program to its end; return what it printed."""
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(ran.communicate(), 300)
    assert ran.returncode == 0, err
    return out.decode()


async def first_line(source: str, environment: dict[str, str], about: str) -> str:
    """Start a program that never ends; return what it first prints about an invoice, up to the comma."""
    ran = await asyncio.create_subprocess_exec(sys.executable, "-c", source, env=environment, stdout=subprocess.PIPE)
    assert ran.stdout is not None
    try:
        async with asyncio.timeout(300):
            async for line in ran.stdout:
                if about in line.decode():
                    return line.decode().partition(",")[0]
        return ""
    finally:
        ran.terminate()
        await ran.wait()


@pytest.mark.parametrize("line", "".join(blocks("test.md", "console")).splitlines())
async def test_what_needs_no_system_runs_without_one(line: str, folder: Path) -> None:
    await shell(line, {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}, folder)


async def test_the_fixture_starts_the_real_system_and_plays_a_return_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "test_returns.py").write_text(blocks("test.md", "python")[0])
    await shell(f"{sys.executable} -m pytest -q -p no:cacheprovider .", {**os.environ}, tmp_path)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.language)
async def test_a_recipe_for_a_container_is_ten_lines_with_a_place_for_tests(recipe: Recipe) -> None:
    assert recipe.check in recipe.source(PAGE.read_text())
    (block,) = blocks(PAGE.name, recipe.language)
    assert len([line for line in block.splitlines() if line and not line.lstrip().startswith("import")]) <= 11


async def test_every_page_is_one_screen_and_every_block_of_code_on_it_is_run() -> None:
    for page in PAGES.iterdir():
        text = page.read_text()
        assert len(text.splitlines()) <= 75, page.name
        languages = re.findall(r"^```(\w+)$", text, re.MULTILINE)
        assert languages == RUN.get(page.name, []), page.name
