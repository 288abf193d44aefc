"""Migrations are one line: two that were written at the same time are put in an order before they meet a database."""

from pathlib import Path

from alembic.script import ScriptDirectory

MIGRATIONS = Path("service/store/migrations")


def test_every_migration_follows_the_one_before_and_its_file_says_which_it_is() -> None:
    versions = sorted(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*_*.py"))
    assert versions == [f"{number:04d}" for number in range(1, len(versions) + 1)]
    ordered = [revision.revision for revision in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    assert ordered[::-1] == versions
