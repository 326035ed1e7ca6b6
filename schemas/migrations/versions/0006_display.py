"""How much of an order is shown at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column to orders and executions."""
    for table in ("orders", "executions"):
        op.add_column(table, sa.Column("display_quantity_e8", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop the column of orders and executions."""
    for table in ("orders", "executions"):
        op.drop_column(table, "display_quantity_e8")
