"""Second factors of users."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the secret and the newest step that was used."""
    op.add_column("users", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("totp_step", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop both: who was enrolled logs in with the password alone."""
    op.drop_column("users", "totp_step")
    op.drop_column("users", "totp_secret")
