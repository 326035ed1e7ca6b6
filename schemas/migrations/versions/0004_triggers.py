"""What orders wait for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns to orders and executions."""
    for table in ("orders", "executions"):
        op.add_column(table, sa.Column("trigger_price_e8", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("trigger_by", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("trail_e8", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("trail_rate_e8", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("waits", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop the columns of orders and executions."""
    for table in ("orders", "executions"):
        for column in ("waits", "trail_rate_e8", "trail_e8", "trigger_by", "trigger_price_e8"):
            op.drop_column(table, column)
