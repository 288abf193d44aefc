"""The log, the claims, and where each consumer stands.

Events, replies and dead letters are one log: they draw their positions from one sequence, under the lock of the event
table, so that positions become visible in their order.
"""

from alembic import op

revision = "0001"
down_revision = None

UP = """
create sequence redletter.log_position;

-- The event table of the eventsourcing library (its column names), with what a published event carries besides.
create table redletter.invoice_events (
    originator_id text not null,
    originator_version bigint not null,
    topic text not null,
    state bytea not null,
    notification_id bigint not null,
    occurred_at timestamptz not null,
    causation_id text not null,
    correlation_id text not null,
    traceparent text,
    primary key (originator_id, originator_version)
);
create unique index invoice_events_notification_id_idx on redletter.invoice_events (notification_id);

-- command_key is set on the first, final reply to a command: it is the memory that makes a command idempotent.
create table redletter.replies (
    position bigint primary key,
    command_key uuid,
    digest bytea,
    id text not null,
    name text not null,
    record_key bytea,
    subject text,
    value bytea not null,
    sent_at timestamptz not null,
    causation_id text not null,
    correlation_id text not null,
    traceparent text
);
create unique index replies_command_key_idx on redletter.replies (command_key) where command_key is not null;

-- Header names and values are bytes, since neither need be text.
create table redletter.dead_letters (
    position bigint primary key,
    answered boolean not null,
    topic text not null,
    partition int not null,
    record_offset bigint not null,
    reason text not null,
    error text not null,
    buried_at timestamptz not null,
    record_key bytea,
    value bytea,
    header_names bytea[] not null,
    header_values bytea[] not null
);

-- What must be unique over all invoices. A holder with a reissue_id is a hold on a charge.
create table redletter.claims (
    kind text not null,
    key text not null,
    invoice_number text not null,
    account_id text not null,
    reissue_id text,
    primary key (kind, key)
);
create index claims_holds_idx on redletter.claims (invoice_number, reissue_id) where reissue_id is not null;

create table redletter.positions (
    consumer text not null,
    topic text not null,
    partition int not null,
    next bigint not null,
    primary key (consumer, topic, partition)
) with (fillfactor = 50);
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(UP)


def downgrade() -> None:
    """Drop everything: only of use while nothing is recorded yet."""
    op.execute("drop schema redletter cascade")
