"""Logins with refresh tokens, and users who may no longer log in."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table and the column."""
    op.add_column("users", sa.Column("disabled_us", sa.BigInteger(), nullable=True))
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("family_hash", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
        comment="Logins: SHA-256 of a refresh token's family, which stays, and of its secret, which changes",
    )
    op.create_index("ix_sessions_family", "sessions", ["family_hash"], unique=True)
    op.create_index("ix_sessions_user", "sessions", ["username", "created_us"], unique=False)
    op.create_index(
        "ix_sessions_revoked",
        "sessions",
        ["revoked_us"],
        unique=False,
        postgresql_where=sa.text("sessions.revoked_us IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the table and the column."""
    op.drop_table("sessions")
    op.drop_column("users", "disabled_us")
