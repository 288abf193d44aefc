"""The partitions of the log, how far each is published, and what of it is not yet published."""

from alembic import op

revision = "0003"
down_revision = "0002"

UP = """
-- The log has as many partitions as its topics. Whoever appends takes the row's lock, and holds it until the commit.
create table redletter.log_partitions (
    partition int primary key,
    last_place bigint not null default 0
) with (fillfactor = 50);

-- What the relays have published, as they say now and then: for people. The relays themselves go by what Kafka holds.
create table redletter.published (
    partition int primary key references redletter.log_partitions on delete cascade,
    place bigint not null default 0
) with (fillfactor = 50);

create view redletter.unpublished as
select partition, l.last_place - p.place as entries, null::timestamptz as oldest
from redletter.log_partitions as l join redletter.published as p using (partition);

comment on view redletter.unpublished is
    'Entries of the log not published yet, by partition; oldest: when the first of them was written.';
"""


def upgrade() -> None:
    """Create them."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them."""
    op.execute("drop view redletter.unpublished")
    op.execute("drop table redletter.published, redletter.log_partitions")
