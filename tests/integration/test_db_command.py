"""`tradsys db`, as the operator types it, on a real database."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import schemas
from schemas import migrations, tables
from tests.integration.test_migrations import fill
from tests.integration.typed import tradsys
from workers.projections.partitions import Month, make_missing


class Shell:
    """Types commands about one database."""

    def __init__(self, dsn: str, home: Path) -> None:
        parts = conninfo_to_dict(dsn)
        self.home = home
        self.environment = os.environ | {
            "DB_HOST": str(parts["host"]),
            "DB_PORT": str(parts["port"]),
            "DB_NAME": str(parts["dbname"]),
            "DB_USER": str(parts["user"]),
            "DB_PASSWORD": str(parts["password"]),
            "COLUMNS": "200",
        }

    def __call__(self, *words: str, typed: str = "", **changes: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        words = ("db", *words, "--home", str(self.home))
        done = tradsys(*words, environment=self.environment | changes, typed=typed)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def shell(empty_database: str, tmp_path: Path) -> Shell:
    return Shell(empty_database, tmp_path)


def test_up_down_and_where_it_stands(shell: Shell) -> None:
    code, said, _ = shell("current", "--json")
    told = json.loads(said)
    assert (code, told["revision"], told["newest"], told["agrees"]) == (0, None, tables.REVISION, False)
    assert [one["revision"] for one in told["revisions"]] == [step.revision for step in migrations.steps()]
    assert shell("upgrade", "0002")[2] == "The database migrated from none to 0002.\n"
    lines = shell()[1].splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["yes", "yes", "no"]
    code, said, _ = shell("upgrade", "--json")
    assert (code, json.loads(said)["agrees"]) == (0, True)
    assert shell("upgrade")[2] == f"The database has {tables.REVISION}.\n"
    code, said, _ = shell("downgrade", "base", "--json")  # without rows there is nothing to ask
    assert (code, json.loads(said)["revision"]) == (0, None)


def test_rows_are_lost_only_when_the_operator_says_so(shell: Shell, empty_database: str) -> None:
    migrations.upgrade(empty_database)
    fill(empty_database)
    code, said, asked = shell("downgrade", "0007", typed="n\n")
    assert (code, said.strip()) == (1, "")
    assert "Lost until `tradsys db rebuild`: " in asked
    assert "orders.group_id" in asked
    assert "Lost for good: " in asked
    assert "users.disabled_us" in asked
    assert migrations.current(empty_database) == tables.REVISION
    code, said, _ = shell("downgrade", "0007", "--json", typed="y\n")
    assert (code, json.loads(said)["revision"]) == (0, "0007")
    assert shell("downgrade", "base", "--yes")[0] == 0
    assert migrations.current(empty_database) is None


def test_old_months_go_only_when_the_operator_says_so(shell: Shell, empty_database: str) -> None:
    migrations.upgrade(empty_database)
    fill(empty_database)  # in January 1970
    with psycopg.connect(empty_database) as connection:
        make_missing(connection, "trades", [Month.of(time.time_ns() // 1_000)])  # the log goes on until now
    months = ["account_volumes_1970_01", "executions_1970_01", "trades_1970_01"]
    code, said, listed = shell("prune", "400", "--dry-run")
    assert (code, said[:42]) == (0, "Would be dropped: 3 partitions from before")
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        ["1970-01", table] for table in ("account_volumes", "executions", "trades")
    ]
    code, said, asked = shell("prune", "400", typed="n\n")
    assert (code, said.strip()) == (1, "")
    assert "They stand in the log only then. Drop them?" in asked
    told = json.loads(shell("prune", "400", "--dry-run", "--json")[1])
    assert (told["dropped"], [one["partition"] for one in told["partitions"]]) == (False, months)
    assert all(one["month"] == "1970-01" and one["size_bytes"] > 8_192 for one in told["partitions"])
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (50,)
    code, said, _ = shell("prune", "400", "--json", "--yes")
    told = json.loads(said)
    assert (code, told["dropped"], [one["partition"] for one in told["partitions"]]) == (0, True, months)
    assert shell("prune", "400")[:2] == (0, f"Dropped: 0 partitions from before {told['kept_from']}, 0 bytes.\n")
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (50,)


def test_what_cannot_be_is_said_in_a_sentence(shell: Shell, empty_database: str) -> None:
    for words, code, sentence in (
        (("downgrade",), 2, "Down to which revision?"),
        (("revision",), 2, "What does it do?"),
        (("rebuild", "0003"), 2, "rebuild takes nothing more."),
        (("current", "0003"), 2, "current takes nothing more."),
        (("prune",), 2, "How many days are to be kept?"),
        (("prune", "30"), 2, "a whole number from 31 on"),
        (("prune", "-40"), 2, "No such option"),
        (("prune", "a year"), 2, "a whole number from 31 on"),
        (("prune", "9" * 7), 2, "a whole number from 31 on"),
        (("rebuild", "--dry-run"), 2, "--dry-run is for prune only."),
        (("prune", "400"), 1, "The database has no tables; this release needs revision"),
        (("upgrade", "9999"), 1, f"There is no revision 9999; this release has 0001 to {tables.REVISION}."),
        (("downgrade", "0003"), 1, "The database has revision base: 0003 lies up from there."),
    ):
        ended, _, said = shell(*words)
        assert ended == code, said
        assert sentence in said
    assert "The database could not be migrated: " in shell("current", DB_PORT="1")[2]
    assert "Nothing was dropped: " in shell("prune", "400", DB_PORT="1")[2]
    assert "DB_PASSWORD is not set" in shell("current", DB_PASSWORD="")[2]
    migrations.upgrade(empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "revision 9999, which this release does not know" in shell("current")[1]
    for action in ("upgrade", "downgrade"):
        code, _, said = shell(action, "0001")
        assert code == 1
        assert "revision 9999, which this release does not know" in said


def test_the_next_migration_is_written_from_the_tables(shell: Shell, empty_database: str, tmp_path: Path) -> None:
    """In a copy of the package, whose tables have one column more."""
    package = Path(schemas.__file__).parent
    shutil.copytree(package, tmp_path / "copy" / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "copy" / "schemas" / "tables.py"
    column = '    _text("correlation_id", nullable=True),\n'
    changed.write_text(changed.read_text().replace(column, column + '    _e8("tip_e8", nullable=True),\n', 1))

    def with_the_copy(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tradsys", "db", *words, "--home", str(shell.home)],
            env=shell.environment | {"PYTHONPATH": str(package.parent)},
            cwd=tmp_path / "copy",
            capture_output=True,
            text=True,
            check=False,
        )

    assert "must have revision" in with_the_copy("revision", "Add what orders tip").stderr
    migrations.upgrade(empty_database)
    made = with_the_copy("revision", "Add what orders tip", "--json")
    assert made.returncode == 0, made.stderr
    following = f"{int(tables.REVISION) + 1:04}"
    assert Path(json.loads(made.stdout)["path"]).name == f"{following}_add_what_orders_tip.py"
    assert json.loads(with_the_copy("upgrade", "--json").stdout)["revision"] == following
    with psycopg.connect(empty_database) as connection:
        connection.execute("SELECT tip_e8 FROM orders")
    assert json.loads(with_the_copy("downgrade", tables.REVISION, "--json").stdout)["agrees"] is False
    with psycopg.connect(empty_database) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        connection.execute("SELECT tip_e8 FROM orders")
