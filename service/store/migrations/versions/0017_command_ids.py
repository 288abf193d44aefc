"""The ids of commands lie apart from the replies, in small rows, so that a thousand million of them can be searched."""

from alembic import op

revision = "0017"
down_revision = "0016"

PARTS = 16
UP = """
-- Whoever writes replies meanwhile, and does not know this table, uses up ids in it nevertheless, by the trigger.
lock table redletter.replies in share row exclusive mode;
create table redletter.command_ids (
    command_key uuid primary key,
    partition int not null,
    place bigint not null
) partition by hash (command_key);
comment on table redletter.command_ids is
    'Every id of a command that has been used up, and where in the log the reply to it lies.';
"""
PART = """
create table redletter.command_ids_{part} partition of redletter.command_ids
    for values with (modulus {parts}, remainder {part})
"""
FILL = """
create function redletter.use_ids_up() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    insert into redletter.command_ids (command_key, partition, place)
        select command_key, partition, place from written where command_key is not null;
    return null;
end $$;
create trigger use_ids_up after insert on redletter.replies
    referencing new table as written for each statement execute function redletter.use_ids_up();
insert into redletter.command_ids select command_key, partition, place from redletter.replies
    where command_key is not null;
drop index redletter.replies_command_key_idx;
"""
DOWN = """
create unique index replies_command_key_idx on redletter.replies (command_key) where command_key is not null;
drop trigger use_ids_up on redletter.replies;
drop function redletter.use_ids_up();
drop table redletter.command_ids;
"""


def upgrade() -> None:
    """Move the ids into a table of their own, in parts by their hash."""
    op.execute(UP)
    for part in range(PARTS):
        op.execute(PART.format(part=part, parts=PARTS))
    op.execute(FILL)


def downgrade() -> None:
    """Search the replies themselves again."""
    op.execute(DOWN)
