"""Trades of a symbol by their time."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_trades_time", "trades", ["symbol", "ts_us", "trade_id"], unique=False)


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_trades_time", "trades")
