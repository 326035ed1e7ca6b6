"""When orders that are good till a date end."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column to orders and executions."""
    for table in ("orders", "executions"):
        op.add_column(table, sa.Column("expire_us", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop the column of orders and executions."""
    for table in ("orders", "executions"):
        op.drop_column(table, "expire_us")
