"""The keys under which texts of invoices are sealed."""

from alembic import op

revision = "0018"
down_revision = "0017"

UP = """
-- wrapped_by: which key from outside opens it; null where it is kept as it is.
create table redletter.invoice_keys (
    invoice_number text collate "C" primary key,
    wrapped bytea not null,
    wrapped_by text
) with (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0); -- a deleted key does not stay in its page
"""
DOWN = "drop table redletter.invoice_keys"


def upgrade() -> None:
    """Create the table."""
    op.execute(UP)


def downgrade() -> None:
    """Drop it: nobody can open any more what was sealed."""
    op.execute(DOWN)
