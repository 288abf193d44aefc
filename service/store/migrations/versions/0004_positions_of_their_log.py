"""A position is only good for the log that it was taken from: which log that is, and why a partition is not read."""

from alembic import op

revision = "0004"
down_revision = "0003"

UP = """
alter table redletter.positions
    add topic_id uuid,
    add unread text,
    add unread_since timestamptz,
    add gone bigint not null default 0;

comment on column redletter.positions.topic_id is 'Kafka''s id of the topic that next counts in; null: not known yet.';
comment on column redletter.positions.unread is 'Why this partition is not read, for people; null: it is.';
comment on column redletter.positions.unread_since is 'Since when it is not read.';
comment on column redletter.positions.gone is 'Offsets that were deleted before this consumer read them.';
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them; every partition is read again."""
    op.execute(
        "alter table redletter.positions drop column topic_id, drop column unread, drop column unread_since,"
        " drop column gone"
    )
