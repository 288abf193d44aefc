"""The log by partition: every entry has a place in the partition that its key goes to."""

from alembic import op

revision = "0006"
down_revision = "0005"

REFUSE_ENTRIES = """
do $$ begin
    if exists (select from redletter.invoice_events) or exists (select from redletter.replies)
        or exists (select from redletter.dead_letters)
    then
        raise exception 'this log was written before it had partitions, and cannot be taken over: '
            'start with an empty database and empty topics';
    end if;
end $$
"""
UP = """
drop view redletter.unpublished;

alter table redletter.invoice_events
    drop column notification_id,
    add column partition int not null,
    add column place bigint not null;
create unique index invoice_events_place_idx on redletter.invoice_events (partition, place);

alter table redletter.replies
    drop column position,
    add column partition int not null,
    add column place bigint not null,
    add column written_at timestamptz not null default now(),
    add primary key (partition, place);

-- Where the record lay is told apart from where it lies in the log.
alter table redletter.dead_letters rename column partition to record_partition;
alter table redletter.dead_letters
    drop column position,
    add column partition int not null,
    add column place bigint not null,
    add column written_at timestamptz not null default now(),
    add primary key (partition, place);

drop sequence redletter.log_position;

-- Every command ends with a reply or with a dead letter: how long these have been waiting is how long anything has.
create view redletter.unpublished as
select partition, l.last_place - p.place as entries, (
    select min(written_at) from (
        (select written_at from redletter.replies as r where r.partition = l.partition and r.place > p.place
            order by r.place limit 1)
        union all
        (select written_at from redletter.dead_letters as d where d.partition = l.partition and d.place > p.place
            order by d.place limit 1)
    ) as first
) as oldest
from redletter.log_partitions as l join redletter.published as p using (partition);

comment on view redletter.unpublished is
    'Entries of the log not published yet, by partition; oldest: when the first of them was written.';
"""


def upgrade() -> None:
    """Give the log its partitions. Refuses a log that holds entries: nothing was released with the form before."""
    op.execute(REFUSE_ENTRIES)
    op.execute(UP)


def downgrade() -> None:
    """Refuse: what the entries' one order was is gone."""
    msg = "the log has no single order to go back to; start with an empty database"
    raise NotImplementedError(msg)
