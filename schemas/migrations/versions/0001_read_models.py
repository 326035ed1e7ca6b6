"""The read models: orders, executions, trades, positions, balances, ledger, candles, users and the projections' own."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "balances",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_e8", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "currency", name="pk_balances"),
        comment="What each account has of each currency now, as its newest ledger entry says",
    )
    op.create_table(
        "candles",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("open_us", sa.BigInteger(), nullable=False),
        sa.Column("open_e8", sa.BigInteger(), nullable=False),
        sa.Column("high_e8", sa.BigInteger(), nullable=False),
        sa.Column("low_e8", sa.BigInteger(), nullable=False),
        sa.Column("close_e8", sa.BigInteger(), nullable=False),
        sa.Column("volume_e8", sa.BigInteger(), nullable=False),
        sa.Column("notional_e8", sa.BigInteger(), nullable=False),
        sa.Column("trade_count", sa.BigInteger(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("symbol", "interval_s", "open_us", name="pk_candles"),
        comment="Open, high, low, close and volume of each interval, newest state",
    )
    op.create_table(
        "executions",
        sa.Column("execution_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("command_id", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("order_type", sa.Text(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("price_e8", sa.BigInteger(), nullable=True),
        sa.Column("quantity_e8", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("leaves_e8", sa.BigInteger(), nullable=False),
        sa.Column("cumulative_e8", sa.BigInteger(), nullable=False),
        sa.Column("cumulative_notional_e8", sa.BigInteger(), nullable=False),
        sa.Column("last_price_e8", sa.BigInteger(), nullable=True),
        sa.Column("last_quantity_e8", sa.BigInteger(), nullable=True),
        sa.Column("last_notional_e8", sa.BigInteger(), nullable=True),
        sa.Column("fee_e8", sa.BigInteger(), nullable=True),
        sa.Column("liquidity", sa.Text(), nullable=True),
        sa.Column("trade_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("limit_e8", sa.BigInteger(), nullable=True),
        sa.Column("actual_e8", sa.BigInteger(), nullable=True),
        sa.Column("command_us", sa.BigInteger(), nullable=False),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", name="pk_executions"),
        comment="Everything that happened to orders and commands",
    )
    op.create_index("ix_executions_account", "executions", ["account", "ts_us", "execution_id"], unique=False)
    op.create_index("ix_executions_order", "executions", ["order_id", "execution_id"], unique=False)
    op.create_table(
        "ledger",
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("debit_account", sa.Text(), nullable=False),
        sa.Column("credit_account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_e8", sa.BigInteger(), nullable=False),
        sa.Column("balance_e8", sa.BigInteger(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("trade_id", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("control_id", sa.Text(), nullable=True),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_ledger"),
        comment="Double-entry postings",
    )
    op.create_index("ix_ledger_account", "ledger", ["account", "entry_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("order_type", sa.Text(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("price_e8", sa.BigInteger(), nullable=True),
        sa.Column("quantity_e8", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("leaves_e8", sa.BigInteger(), nullable=False),
        sa.Column("cumulative_e8", sa.BigInteger(), nullable=False),
        sa.Column("cumulative_notional_e8", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("limit_e8", sa.BigInteger(), nullable=True),
        sa.Column("actual_e8", sa.BigInteger(), nullable=True),
        sa.Column("command_us", sa.BigInteger(), nullable=False),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.Column("execution_id", sa.BigInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("order_id", name="pk_orders"),
        comment="One row an order, refused ones included: its newest state",
    )
    op.create_index("ix_orders_account", "orders", ["account", "order_id"], unique=False)
    op.create_index("ix_orders_client_order_id", "orders", ["account", "client_order_id"], unique=False)
    op.create_index(
        "ix_orders_open",
        "orders",
        ["account", "order_id"],
        unique=False,
        postgresql_where=sa.text("orders.status IN ('NEW', 'PARTIALLY_FILLED')"),
    )
    op.create_table(
        "positions",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("quantity_e8", sa.BigInteger(), nullable=False),
        sa.Column("cost_e8", sa.BigInteger(), nullable=False),
        sa.Column("average_price_e8", sa.BigInteger(), nullable=False),
        sa.Column("realised_e8", sa.BigInteger(), nullable=False),
        sa.Column("unrealised_e8", sa.BigInteger(), nullable=False),
        sa.Column("fees_e8", sa.BigInteger(), nullable=False),
        sa.Column("mark_price_e8", sa.BigInteger(), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=True),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "symbol", name="pk_positions"),
        comment="What each account holds in each instrument now",
    )
    op.create_table(
        "projection_dead_letters",
        sa.Column("source_topic", sa.Text(), nullable=False),
        sa.Column("source_partition", sa.Integer(), nullable=False),
        sa.Column("source_offset", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source_topic", "source_partition", "source_offset", name="pk_projection_dead_letters"),
        comment="Records that could not be made into rows (topic without its prefix)",
    )
    op.create_table(
        "projection_offsets",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_projection_offsets"),
        comment="How far the rows are in each partition (topic with its prefix); epoch counts who took it over",
    )
    op.create_table(
        "trades",
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("price_e8", sa.BigInteger(), nullable=False),
        sa.Column("quantity_e8", sa.BigInteger(), nullable=False),
        sa.Column("notional_e8", sa.BigInteger(), nullable=False),
        sa.Column("aggressor_side", sa.Text(), nullable=False),
        sa.Column("maker_order_id", sa.BigInteger(), nullable=False),
        sa.Column("taker_order_id", sa.BigInteger(), nullable=False),
        sa.Column("maker_account", sa.Text(), nullable=False),
        sa.Column("taker_account", sa.Text(), nullable=False),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trade_id", name="pk_trades"),
        comment="Matches",
    )
    op.create_index("ix_trades_symbol", "trades", ["symbol", "trade_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("username", name="pk_users"),
        comment="Who may log in, and for which account they act",
    )


def downgrade() -> None:
    """Drop all tables."""
    for table in (
        "balances",
        "candles",
        "executions",
        "ledger",
        "orders",
        "positions",
        "projection_dead_letters",
        "projection_offsets",
        "trades",
        "users",
    ):
        op.drop_table(table)
