"""Sessions of people who have logged in to the page."""

from alembic import op

revision = "0015"
down_revision = "0014"

UP = """
-- digest: SHA-256 of the secret in the browser's cookie.
create table redletter.sessions (
    digest bytea primary key,
    claims jsonb not null,
    expires_at timestamptz not null
);
create index sessions_by_end on redletter.sessions (expires_at);
"""
DOWN = "drop table redletter.sessions"


def upgrade() -> None:
    """Create the table."""
    op.execute(UP)


def downgrade() -> None:
    """Drop it: people log in again."""
    op.execute(DOWN)
