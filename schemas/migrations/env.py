"""Run by Alembic for each command: on the caller's connection, in the caller's transaction."""

from typing import Final

from alembic import context
from sqlalchemy import text

from schemas.tables import METADATA

MIGRATION_LOCK: Final = 0x7472616473797300
"""Advisory lock that only one migration holds at a time: the letters of `tradsys`."""

connection = context.config.attributes["connection"]
connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
context.configure(connection=connection, target_metadata=METADATA)
context.run_migrations()
