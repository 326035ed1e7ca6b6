"""Which orders were placed together."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

AGE: Final = sa.text("coalesce(group_id, order_id)")


def upgrade() -> None:
    """Add the column to orders and executions, and sort an account's orders by their commands."""
    for table in ("orders", "executions"):
        op.add_column(table, sa.Column("group_id", sa.BigInteger(), nullable=True))
    _sort("account", AGE, "order_id")


def downgrade() -> None:
    """Sort an account's orders by their ids, and drop the column."""
    _sort("account", "order_id")
    for table in ("orders", "executions"):
        op.drop_column(table, "group_id")


def _sort(*columns: str | sa.TextClause) -> None:
    is_open = sa.text("orders.status IN ('NEW', 'PARTIALLY_FILLED')")
    op.drop_index("ix_orders_account", "orders")
    op.create_index("ix_orders_account", "orders", list(columns))
    op.drop_index("ix_orders_open", "orders")
    op.create_index("ix_orders_open", "orders", list(columns), postgresql_where=is_open)
