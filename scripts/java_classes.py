"""Let jsonschema2pojo make Java of the schemas, and check the names and types of the classes: `make java-classes`."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
_PLUGIN = "org.jsonschema2pojo:jsonschema2pojo-maven-plugin:1.2.2"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>messages</groupId><artifactId>messages</artifactId><version>1</version>
</project>
"""
_SECONDS = 600
"""In which Maven fetches the generator and runs it."""
_UNTYPED = re.compile(r"private (?:\w+<)?Object\b.*")
_NAMELESS = re.compile(r"(Model|Object|Anonymous\w*|\w*Schema|\w+V1)(__\d+)?")


def main() -> None:
    """Generate, and say what is wrong with the classes. Exits 1 if anything is."""
    if shutil.which("mvn") is None:
        sys.exit("this needs Java and Maven (mvn): install them and try again")
    with TemporaryDirectory() as folder:
        classes = _java_classes(Path(folder))
    titles = {json.loads(path.read_text())["title"] for path in _SCHEMAS.iterdir()}
    if wrong := _wrong(titles, classes):
        sys.exit("\n".join(wrong))
    print(f"{len(classes)} classes, each with a name of its own and typed fields")


def _java_classes(folder: Path) -> dict[str, str]:
    """Return the source of each class that the generator makes of the schemas, by its name."""
    (folder / "pom.xml").write_text(_POM)
    options = {"sourceDirectory": _SCHEMAS, "outputDirectory": "java", "useTitleAsClassname": "true"}
    settings = [f"-Djsonschema2pojo.{name}={value}" for name, value in options.items()]
    maven = ["mvn", "--quiet", "--batch-mode", *settings, f"{_PLUGIN}:generate"]
    fetched = subprocess.run(maven, cwd=folder, timeout=_SECONDS, check=False)
    if fetched.returncode:  # a download that failed is tried once more, which Maven does not do unless told
        subprocess.run([*maven, "--update-snapshots"], cwd=folder, timeout=_SECONDS, check=True)
    return {path.stem: path.read_text() for path in (folder / "java").rglob("*.java")}


def _wrong(titles: set[str], classes: dict[str, str]) -> list[str]:
    missing = [f"no class {title}" for title in sorted(titles - classes.keys())]
    nameless = [f"{name} has no name of its own" for name in classes if _NAMELESS.fullmatch(name)]
    untyped = [f"{name}: {field}" for name, source in classes.items() for field in _UNTYPED.findall(source)]
    return [*missing, *nameless, *untyped]


if __name__ == "__main__":
    main()
