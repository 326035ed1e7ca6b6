"""Whether each account may trade."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "account_states",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("limit_e8", sa.BigInteger(), nullable=True),
        sa.Column("actual_e8", sa.BigInteger(), nullable=True),
        sa.Column("ts_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_states")),
        comment="Whether each account may trade now, and why not",
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("account_states")
