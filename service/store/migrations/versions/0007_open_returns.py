"""Open returns and when they are due, so that the clock can revise their dates."""

from alembic import op

revision = "0007"
down_revision = "0006"

UP = """
create table redletter.clock_returns (
    return_id text primary key,
    invoice_number text not null,
    partition int not null,
    requested_at timestamptz not null,
    due_earliest timestamptz not null,
    due_latest timestamptz not null,
    since text not null,
    correlation_id text not null,
    traceparent text
);
create index timers_revisions_idx on redletter.timers (invoice_number) where name = 'ReviseDeadline.v1';
"""


def upgrade() -> None:
    """Create the table. Returns that the clock has read of before are not in it: their dates stay as they are."""
    op.execute(UP)


def downgrade() -> None:
    """Drop it."""
    op.execute("drop index redletter.timers_revisions_idx")
    op.execute("drop table redletter.clock_returns")
