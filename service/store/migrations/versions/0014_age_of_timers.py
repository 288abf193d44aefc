"""A timer says since when it is open."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the moment; to the timers that are there already, this one."""
    op.execute("alter table redletter.timers add column opened_at timestamptz not null default now()")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table redletter.timers drop column opened_at")
