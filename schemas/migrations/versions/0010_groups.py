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
    columns: list[str | sa.TextClause] = ["account", AGE, "order_id"]
    is_open = sa.text("orders.status IN ('NEW', 'PARTIALLY_FILLED')")
    op.drop_index("ix_orders_account", "orders")
    op.create_index("ix_orders_account", "orders", columns)
    op.drop_index("ix_orders_open", "orders")
    op.create_index("ix_orders_open", "orders", columns, postgresql_where=is_open)
