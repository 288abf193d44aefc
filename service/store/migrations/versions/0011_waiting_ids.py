"""An id under which a command waits is in use: whether it does is looked up by its key."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Index the keys of the commands that wait."""
    op.execute("create index parked_commands_key_idx on redletter.parked_commands (command_key)")


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index redletter.parked_commands_key_idx")
