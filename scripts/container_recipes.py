"""Run the Testcontainers recipes of docs/integrate/containers.md on the image redletter:test: `make test-image`.

Where a recipe says `your tests`, it runs this module again with both addresses: that plays the scenario of the example
clients and asks the api, from outside the container like another team's tests.
"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from scripts import clients

PAGE = clients.ROOT / "docs" / "integrate" / "containers.md"
YOUR_TESTS = re.compile(r"^([ \t]*)(?://|\.\.\.  #) your tests$", re.MULTILINE)
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>recipe</groupId><artifactId>recipe</artifactId><version>1</version>
  <properties><maven.compiler.release>17</maven.compiler.release><exec.mainClass>Recipe</exec.mainClass></properties>
  <dependencies>
    <dependency><groupId>org.testcontainers</groupId><artifactId>testcontainers</artifactId><version>2.0.5</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
  <build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId><version>3.14.0</version></plugin></plugins></build>
</project>
"""
PACKAGE = '{"type": "module", "dependencies": {"testcontainers": "^12.2.0"}}'
GO_TESTS = """\
package recipe

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
)

"""
JAVA_PROGRAM = """\
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;

public class Recipe {
    public static void main(String[] none) throws Exception {
        %s
    }
}
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe of one language, and what turns it into a program.

    file: of the program. program: the text around the recipe, which stands for %s. check: what stands for `your tests`;
    %s is the command to run with both addresses. files: what else the project has. prepare, run: command lines.
    """

    language: str
    file: str
    check: str
    run: str
    program: str = "%s"
    files: tuple[tuple[str, str], ...] = ()
    prepare: str = ":"

    def source(self, page: str) -> str:
        """Return the program. Raises: AssertionError if the page has no such recipe, or no place for tests in it."""
        found = re.findall(rf"^```{self.language}\n(.*?)```", page, re.DOTALL | re.MULTILINE)
        assert len(found) == 1, f"{PAGE.name} has {len(found)} recipes in {self.language}"
        recipe, places = YOUR_TESTS.subn(rf"\1{self.check}", found[0])
        assert places == 1, f"the recipe in {self.language} has {places} lines `your tests`"
        return self.program % recipe

    def play(self, folder: Path) -> None:
        """Run the program in an empty folder. Raises: CalledProcessError."""
        for name, text in (*self.files, (self.file, self.source(PAGE.read_text()))):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "CHECK": str(_checker(folder))}
        for line in (self.prepare, self.run):
            subprocess.run(line, cwd=folder, env=environment, shell=True, check=True)  # noqa: S602 - a line of this file


RECIPES = (
    Recipe(
        "python",
        "recipe.py",
        check='import os, subprocess; subprocess.run([os.environ["CHECK"], kafka, api], check=True)',
        run="python recipe.py",
    ),
    Recipe(
        "java",
        "src/main/java/Recipe.java",
        check="""\
var check = new ProcessBuilder(System.getenv("CHECK"), kafka, api).inheritIO().start();
    if (check.waitFor() != 0) System.exit(1);""",
        program=JAVA_PROGRAM,
        files=(("pom.xml", POM),),
        prepare="mvn --quiet --batch-mode -Dstyle.color=never compile",
        run="mvn --quiet --batch-mode -Dstyle.color=never org.codehaus.mojo:exec-maven-plugin:3.5.0:java",
    ),
    Recipe(
        "javascript",
        "recipe.js",
        check="""\
const { execFileSync } = await import("node:child_process");
execFileSync(process.env.CHECK, [kafka, api], { stdio: "inherit" });""",
        files=(("package.json", PACKAGE),),
        prepare="npm install --silent --no-package-lock --no-audit",
        run="node recipe.js",
    ),
    Recipe(
        "go",
        "recipe_test.go",
        check="""\
check := exec.Command(os.Getenv("CHECK"), kafka, api)
	check.Stderr = os.Stderr
	require.NoError(t, check.Run())""",
        program=GO_TESTS + "%s",
        prepare="go mod init recipe && go mod tidy",
        run="go test -count=1 .",
    ),
)


def _checker(folder: Path) -> Path:
    """Write the program that a recipe runs in place of tests."""
    program = folder / "check"
    run = f"exec '{sys.executable}' -m scripts.container_recipes --check \"$@\""
    program.write_text(f"#!/bin/sh\ncd '{clients.ROOT}' && {run}\n")
    program.chmod(0o700)
    return program


def check(kafka: str, api: str) -> None:
    """Play the scenario from outside the container. Raises: AssertionError, OSError."""
    with TemporaryDirectory() as scratch:
        client = clients.CLIENTS[0]
        client.play(clients.environment_of_clients(kafka, Path(scratch)), Path(scratch))
    with urlopen(f"{api}/livez") as answer:  # noqa: S310 - the address that the recipe has found
        assert answer.status == HTTPStatus.OK


def main() -> None:
    """Run the recipes of the languages that are named, or all, and say how long each took."""
    if sys.argv[1:2] == ["--check"]:
        check(*sys.argv[2:])
        return
    for recipe in RECIPES:
        if recipe.language in (sys.argv[1:] or [one.language for one in RECIPES]):
            with TemporaryDirectory() as folder:
                began = time.monotonic()
                recipe.play(Path(folder))
                print(f"{recipe.language:<12}{time.monotonic() - began:5.1f} s", flush=True)


if __name__ == "__main__":
    main()
