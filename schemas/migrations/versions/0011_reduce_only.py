"""Whether an order may only reduce its account's position."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column to orders and executions."""
    for table in ("orders", "executions"):
        column: sa.Column[bool] = sa.Column("reduce_only", sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column(table, column)


def downgrade() -> None:
    """Drop the column of orders and executions."""
    for table in ("orders", "executions"):
        op.drop_column(table, "reduce_only")
