"""The strategy that an order names."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column to orders and executions."""
    for table in ("orders", "executions"):
        column: sa.Column[str] = sa.Column("strategy", sa.Text(), nullable=True)
        op.add_column(table, column)


def downgrade() -> None:
    """Drop the column of orders and executions."""
    for table in ("orders", "executions"):
        op.drop_column(table, "strategy")
