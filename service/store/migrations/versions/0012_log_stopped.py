"""A partition of the log can be stopped: nothing more is written to it until it holds what was published of it."""

from alembic import op

revision = "0012"
down_revision = "0011"

UP = """
alter table redletter.log_partitions add column stopped text;

comment on column redletter.log_partitions.stopped is
    'Why nothing more is written to this partition or published from it: what was published is not what it holds.';
"""
DOWN = "alter table redletter.log_partitions drop column stopped"


def upgrade() -> None:
    """Add the reason, which no partition has."""
    op.execute(UP)


def downgrade() -> None:
    """Drop it; the release before would write to a stopped partition."""
    op.execute(DOWN)
