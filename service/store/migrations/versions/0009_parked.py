"""Parked invoices with the commands that wait, and the notices of them, which are entries of the log."""

from alembic import op

revision = "0009"
down_revision = "0008"

UP = """
-- An invoice is parked from the first command that could not be decided until its last command is answered. version:
-- every change gives a new one, so that of two who change the same row one learns of it.
create table redletter.parked_invoices (
    invoice_number text primary key,
    version uuid not null default gen_random_uuid(),
    since timestamptz not null default now(),
    error text not null,
    last_turn bigint not null,
    last_place bigint not null,
    commands int not null,
    bytes bigint not null
);

-- The records as they were received, in the order of their turns. place: as announced; a repeat is not announced.
create table redletter.parked_commands (
    invoice_number text not null references redletter.parked_invoices on delete cascade,
    turn bigint not null,
    place bigint,
    command_key uuid not null,
    command_id text not null,
    command_source text not null,
    command_type text not null,
    topic text not null,
    record_partition int not null,
    record_offset bigint not null,
    record_timestamp bigint not null,
    record_key bytea,
    value bytea,
    header_names bytea[] not null,
    header_values bytea[] not null,
    primary key (invoice_number, turn)
);

-- answered: the reply to the command follows in the log.
create table redletter.notices (
    partition int not null,
    place bigint not null,
    answered boolean not null,
    id text not null,
    name text not null,
    invoice_number text not null,
    value bytea not null,
    sent_at timestamptz not null,
    causation_id text not null,
    correlation_id text not null,
    traceparent text,
    written_at timestamptz not null default now(),
    primary key (partition, place)
);

-- Every command ends with a reply, a dead letter or a notice: how long these have waited is how long anything has.
create or replace view redletter.unpublished as
select partition, l.last_place - p.place as entries, (
    select min(written_at) from (
        (select written_at from redletter.replies as r where r.partition = l.partition and r.place > p.place
            order by r.place limit 1)
        union all
        (select written_at from redletter.dead_letters as d where d.partition = l.partition and d.place > p.place
            order by d.place limit 1)
        union all
        (select written_at from redletter.notices as n where n.partition = l.partition and n.place > p.place
            order by n.place limit 1)
    ) as first
) as oldest
from redletter.log_partitions as l join redletter.published as p using (partition);
"""


def upgrade() -> None:
    """Create them."""
    op.execute(UP)


def downgrade() -> None:
    """Refuse: relays of the release before would find holes where notices are, and commands would wait for ever."""
    msg = "the log may hold notices, which the release before does not know"
    raise NotImplementedError(msg)
