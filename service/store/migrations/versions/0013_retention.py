"""What nothing but publication needs is found by its age."""

from alembic import op

revision = "0013"
down_revision = "0012"

UP = """
create index replies_unneeded_idx on redletter.replies (written_at) where command_key is null;
create index dead_letters_written_at_idx on redletter.dead_letters (written_at);
"""
DOWN = """
drop index redletter.replies_unneeded_idx;
drop index redletter.dead_letters_written_at_idx;
"""


def upgrade() -> None:
    """Index replies that no id needs, which are few, and dead letters."""
    op.execute(UP)


def downgrade() -> None:
    """Drop the indexes."""
    op.execute(DOWN)
