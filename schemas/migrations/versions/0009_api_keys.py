"""Keys of programs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        comment="Keys of programs: SHA-256 of the secret; scopes and addresses are separated by spaces",
    )
    op.create_index("ix_api_keys_user", "api_keys", ["username", "created_us"], unique=False)
    op.create_index(
        "ix_api_keys_revoked",
        "api_keys",
        ["revoked_us"],
        unique=False,
        postgresql_where=sa.text("api_keys.revoked_us IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("api_keys")
