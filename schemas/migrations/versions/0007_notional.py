"""What an order is to spend."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column to orders and executions."""
    for table in ("orders", "executions"):
        op.add_column(table, sa.Column("notional_e8", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop the column of orders and executions."""
    for table in ("orders", "executions"):
        op.drop_column(table, "notional_e8")
