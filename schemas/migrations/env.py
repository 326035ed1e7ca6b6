"""Run by Alembic for each command: on the caller's connection, in the caller's transaction; or without, for its SQL."""

from typing import Final

from alembic import context
from sqlalchemy import text

from schemas import migrations
from schemas.tables import METADATA

MIGRATION_LOCK: Final = 0x7472616473797300
"""Advisory lock that only one migration holds at a time: the letters of `tradsys`."""

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=METADATA)
else:
    connection = context.config.attributes["connection"]
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = '{migrations.LOCK_TIMEOUT_S}s'"))
    context.configure(connection=connection, target_metadata=METADATA, include_name=migrations.is_compared)
context.run_migrations()
