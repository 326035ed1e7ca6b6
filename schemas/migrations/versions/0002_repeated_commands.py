"""Find the order that a repeated command stands for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index the answers to repeated commands."""
    op.create_index("ix_executions_repeated", "executions", ["command_id"], postgresql_where=sa.text("kind = 'STATUS'"))


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_executions_repeated", "executions")
