"""The write side's tables, brought up to date by alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(database_url: str) -> None:
    """Bring the schema ``redletter`` of the database up to date; does nothing where it is.

    database_url: a libpq URL. Raises: sqlalchemy's OperationalError while the database cannot be reached.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = database_url
    command.upgrade(config, "head")
