"""A charge that nobody holds keeps the account it was released from."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the mark. Charges released before are nobody's: they may go to any account."""
    op.execute("alter table redletter.claims add column released boolean not null default false")


def downgrade() -> None:
    """Forget what was released, and drop the mark."""
    op.execute("delete from redletter.claims where released")
    op.execute("alter table redletter.claims drop column released")
