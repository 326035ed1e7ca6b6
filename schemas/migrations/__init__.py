"""Migrations of the read models: what changes `schemas/tables.py` from one release to the next, in the database.

`versions/` holds one file a change, named by its number. A test migrates an empty database and
compares it with the tables.
"""

from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

CONNECT_TIMEOUT_S: Final = 5


def upgrade(dsn: str, revision: str = "head") -> str:
    """Migrate the database to a revision, the newest by default; the revision that it then has.

    `dsn` is a libpq URI or keyword string. All or nothing, and harmless when repeated or run by several processes at
    once: the later ones wait and find nothing to do. Raises psycopg.Error or sqlalchemy.exc.SQLAlchemyError.
    """
    engine = _engine(dsn)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        reached = MigrationContext.configure(connection).get_current_revision()
    assert reached is not None, "a migration left no revision"
    return reached


def current(dsn: str) -> str | None:
    """The revision of a database, None where nothing was migrated yet."""
    with _engine(dsn).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _engine(dsn: str) -> Engine:
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S, application_name="tradsys-migrations"),
        poolclass=NullPool,
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
