"""Migrations of the read models: what changes `schemas/tables.py` from one release to the next, in the database.

`versions/` holds one file a change, named by its number; each goes up and down. A test migrates an empty database and
compares it with the tables, and a full one down and up again.
"""

import io
import re
from argparse import Namespace
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from schemas.tables import PARTITION_NAME, PROJECTED, projection_offsets

CONNECT_TIMEOUT_S: Final = 5

LOCK_TIMEOUT_S: Final = 10
"""A migration that cannot have a table for so long gives up: whoever asks for the table meanwhile waits behind it."""

NOTHING: Final = "base"
"""The revision of a database without tables."""

NEWEST: Final = "head"

_FROM_THE_LOG: Final = frozenset(table.name for table in (*PROJECTED, projection_offsets))

_DROPS: Final = re.compile(r"^(?:DROP TABLE (\w+)|ALTER TABLE (\w+) DROP COLUMN (\w+));$", re.MULTILINE)


class MigrationError(Exception):
    """Why a database was not migrated; the text is a sentence. Nothing was changed."""


class Step(NamedTuple):
    """One migration."""

    revision: str
    does: str


class Loss(NamedTuple):
    """What a migration takes away from tables with rows."""

    name: str
    """A table, or table.column."""
    comes_again: bool
    """Whether the log gives it again."""


def steps() -> list[Step]:
    """All migrations of this release, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return [Step(one.revision, (one.doc or "").rstrip(".")) for one in scripts.walk_revisions()][::-1]


def upgrade(dsn: str, revision: str = NEWEST) -> str:
    """Migrate the database up to a revision, the newest by default; the revision that it then has.

    `dsn` is a libpq URI or keyword string. All or nothing, and harmless when repeated or run by several processes at
    once: the later ones wait and find nothing to do. Raises MigrationError.
    """
    reached = _migrate(dsn, revision, up=True)
    assert reached is not None, "a migration left no revision"
    return reached


def downgrade(dsn: str, revision: str) -> str | None:
    """Migrate the database down to a revision, or to NOTHING; the revision that it then has.

    All or nothing, as `upgrade`. What `losses` names is lost. Raises MigrationError.
    """
    return _migrate(dsn, revision, up=False)


def current(dsn: str) -> str | None:
    """The revision of a database, None where nothing was migrated yet. Raises MigrationError."""
    try:
        with _engine(dsn).connect() as connection:
            return _revision(connection)
    except (SQLAlchemyError, psycopg.Error) as error:
        raise MigrationError(_sentence(error)) from error


def losses(dsn: str, revision: str) -> list[Loss]:
    """What migrating to a revision would take away from tables that have rows. Raises MigrationError."""
    has = current(dsn)
    begin, end = _place(has), _place(_named(revision))
    migrate = command.upgrade if end > begin else command.downgrade
    wanted = NOTHING if _named(revision) is None else revision
    said = io.StringIO()
    config = _config(said)
    if begin != end:
        migrate(config, f"{has or NOTHING}:{wanted}", sql=True)
    dropped = list(dict.fromkeys(_DROPS.findall(said.getvalue())))
    tables = {table for table, _, _ in dropped if table}
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            return [
                Loss(table or f"{of}.{column}", (table or of) in _FROM_THE_LOG)
                for table, of, column in dropped
                if table != "alembic_version" and of not in tables and _has_rows(connection, table or of)
            ]
    except psycopg.Error as error:
        raise MigrationError(_sentence(error)) from error


def write(dsn: str, does: str) -> Path:
    """Write the next migration: what makes a database of the newest one agree with `schemas/tables.py`; its file.

    For who changes the tables, in a checkout of the project. Raises MigrationError.
    """
    newest = steps()[-1].revision
    with _engine(dsn).begin() as connection:
        if _revision(connection) != newest:
            raise MigrationError(f"The database must have revision {newest} for that: upgrade it first.")
        config = _config()
        config.attributes["connection"] = connection
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        config.set_main_option("truncate_slug_length", "30")
        script = command.revision(config, does, autogenerate=True, rev_id=f"{int(newest) + 1:04}")
    assert script is not None
    assert not isinstance(script, list)
    return Path(script.path)


def is_compared(name: str | None, kind: str, _parents: object = None) -> bool:
    """Whether Alembic compares this with `schemas/tables.py`: partitions come and go."""
    return kind != "table" or name is None or PARTITION_NAME.fullmatch(name) is None


def _migrate(dsn: str, revision: str, *, up: bool) -> str | None:
    wanted = _named(revision)
    try:
        with _engine(dsn).begin() as connection:
            has = _revision(connection)
            distance = _place(wanted) - _place(has)
            if distance < 0 if up else distance > 0:
                other = "down" if up else "up"
                raise MigrationError(f"The database has revision {has or NOTHING}: {revision} lies {other} from there.")
            config = _config()
            config.attributes["connection"] = connection
            (command.upgrade if up else command.downgrade)(config, revision)
            return _revision(connection)
    except (SQLAlchemyError, psycopg.Error, CommandError) as error:
        raise MigrationError(_sentence(error)) from error


def _named(revision: str) -> str | None:
    """The number of a revision, None for NOTHING. Raises MigrationError for one that this release has not."""
    if revision == NOTHING:
        return None
    known = [step.revision for step in steps()]
    if revision == NEWEST:
        return known[-1]
    if revision not in known:
        raise MigrationError(f"There is no revision {revision}; this release has {known[0]} to {known[-1]}.")
    return revision


def _place(revision: str | None) -> int:
    """How many migrations lead to a revision. Raises MigrationError for one of another release."""
    known = [None, *(step.revision for step in steps())]
    if revision not in known:
        raise MigrationError(
            f"The database has revision {revision}, which this release does not know: a newer one made it. Migrate it "
            f"down with that release, or use that release."
        )
    return known.index(revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _has_rows(connection: psycopg.Connection, table: str) -> bool:
    found = connection.execute(SQL("SELECT EXISTS (SELECT FROM {})").format(Identifier(table))).fetchone()
    return found == (True,)


def _sentence(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.errors.LockNotAvailable):
        return "Somebody else uses a table for longer than a migration waits; nothing was changed. Try it again."
    return f"The database could not be migrated: {str(cause).strip().splitlines()[0]}"


def _engine(dsn: str) -> Engine:
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S, application_name="tradsys-migrations"),
        poolclass=NullPool,
        hide_parameters=True,
    )


def _config(output: Any = None) -> Config:
    config = Config(output_buffer=output, cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
