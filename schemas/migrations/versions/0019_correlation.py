"""The request that a position and a ledger entry follow from."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the column to positions and ledger."""
    for table in ("positions", "ledger"):
        column: sa.Column[str] = sa.Column("correlation_id", sa.Text(), nullable=True)
        op.add_column(table, column)


def downgrade() -> None:
    """Drop the column of positions and ledger."""
    for table in ("positions", "ledger"):
        op.drop_column(table, "correlation_id")
