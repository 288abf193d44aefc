"""Notices too are found by their age."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Index notices by when they were written."""
    op.execute("create index notices_written_at_idx on redletter.notices (written_at)")


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index redletter.notices_written_at_idx")
