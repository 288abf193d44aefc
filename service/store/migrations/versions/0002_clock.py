"""The clock's timers, and each invoice as it was issued."""

from alembic import op

revision = "0002"
down_revision = "0001"

UP = """
create table redletter.clock_invoices (
    invoice_number text primary key,
    body bytea not null
);

-- What is to be sent when. Kept in the order in which it was opened; attempt counts sendings.
create table redletter.timers (
    id text primary key,
    opened bigint generated always as identity,
    partition int not null,
    name text not null,
    invoice_number text not null,
    body bytea not null,
    due_at timestamptz not null,
    attempt int not null default 0,
    causation_id text not null,
    correlation_id text not null,
    traceparent text
);
create index timers_due_idx on redletter.timers (due_at);
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them; they are filled again from the events."""
    op.execute("drop table redletter.timers, redletter.clock_invoices")
