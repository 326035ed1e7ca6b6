"""Reach trades by symbol and ledger entries by account, and the seldom kinds of entries among them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Let the primary keys begin with what one asks by, instead of an index beside them."""
    for table, columns in (("trades", ["symbol", "trade_id"]), ("ledger", ["account", "entry_id"])):
        op.drop_index(f"ix_{table}_{columns[0]}", table)
        op.drop_constraint(f"pk_{table}", table)
        op.create_primary_key(f"pk_{table}", table, columns)
    is_seldom = sa.text("ledger.kind NOT IN ('TRADE', 'FEE')")
    op.create_index("ix_ledger_seldom", "ledger", ["account", "entry_id"], postgresql_where=is_seldom)


def downgrade() -> None:
    """The ids are the keys again."""
    op.drop_index("ix_ledger_seldom", "ledger")
    for table, columns in (("trades", ["symbol", "trade_id"]), ("ledger", ["account", "entry_id"])):
        op.drop_constraint(f"pk_{table}", table)
        op.create_primary_key(f"pk_{table}", table, columns[1:])
        op.create_index(f"ix_{table}_{columns[0]}", table, columns)
