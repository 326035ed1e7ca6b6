"""Pairs of symbols, with their history."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "pair_versions",
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("pair_version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("symbol1", sa.Text(), nullable=False),
        sa.Column("symbol2", sa.Text(), nullable=False),
        sa.Column("ratio_e8", sa.BigInteger(), nullable=False),
        sa.Column("pair_status", sa.Text(), nullable=False),
        sa.Column("z_score_threshold_entry_e8", sa.BigInteger(), nullable=False),
        sa.Column("z_score_threshold_exit_e8", sa.BigInteger(), nullable=False),
        sa.Column("lookback_period", sa.Integer(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("issued_us", sa.BigInteger(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pair_id", "pair_version", name="pk_pair_versions"),
        comment="Pairs of symbols as each decision left them; of each pair the largest version is how it stands",
    )


def downgrade() -> None:
    """Drop the table, and forget how far decisions were read: who comes up again reads them anew."""
    op.drop_table("pair_versions")
    op.execute("DELETE FROM projection_offsets WHERE topic LIKE '%control'")
