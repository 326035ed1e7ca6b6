"""What each account has traded in each symbol, by day."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

# A partition for each one of executions, from and to the same times.
FILL = """
    DO $$ DECLARE part record; BEGIN
    FOR part IN
        SELECT replace(relname, 'executions_', 'account_volumes_') AS name,
            pg_get_expr(relpartbound, pg_class.oid) AS bounds
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'executions'::regclass
    LOOP
        EXECUTE 'CREATE TABLE ' || part.name || ' PARTITION OF account_volumes ' || part.bounds;
    END LOOP;
    INSERT INTO account_volumes (account, ts_us, symbol, traded_e8)
        SELECT account, greatest(ts_us, 0) / 86400000000 * 86400000000 AS day, symbol,
            sum(coalesce(last_notional_e8, 0))
        FROM executions WHERE kind = 'TRADE' GROUP BY account, day, symbol;
    INSERT INTO projection_retention (table_name, kept_from_us)
        SELECT 'account_volumes', kept_from_us FROM projection_retention WHERE table_name = 'executions';
    END $$
"""


def upgrade() -> None:
    """Make the table, and count what there is."""
    op.create_table(
        "account_volumes",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("traded_e8", sa.Numeric(38, 0), nullable=False),
        sa.PrimaryKeyConstraint("account", "ts_us", "symbol", name="pk_account_volumes"),
        comment="Notional of each account's fills by instrument and UTC day, which ts_us begins",
        postgresql_partition_by="RANGE (ts_us)",
    )
    op.execute(FILL)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("account_volumes")
    op.execute("DELETE FROM projection_retention WHERE table_name = 'account_volumes'")
