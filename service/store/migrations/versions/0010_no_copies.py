"""The clock asks the log how an invoice was issued, and keeps no copies."""

from alembic import op

revision = "0010"
down_revision = "0009"

UP = "drop table redletter.clock_invoices"
DOWN = """
create table redletter.clock_invoices (
    invoice_number text primary key,
    body bytea not null
);
insert into redletter.clock_invoices (invoice_number, body)
select originator_id, state from redletter.invoice_events where originator_version = 1;
"""


def upgrade() -> None:
    """Drop the copies."""
    op.execute(UP)


def downgrade() -> None:
    """Make them again, from the log."""
    op.execute(DOWN)
