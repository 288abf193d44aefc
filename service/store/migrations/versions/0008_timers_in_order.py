"""Timers are found partition by partition in the order in which they are due."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Replace the index."""
    op.execute("create index timers_in_order_idx on redletter.timers (partition, due_at, opened)")
    op.execute("drop index redletter.timers_due_idx")


def downgrade() -> None:
    """Put the old index back."""
    op.execute("create index timers_due_idx on redletter.timers (due_at)")
    op.execute("drop index redletter.timers_in_order_idx")
