"""Where the rows go."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from workers.projections.app import database
from workers.shell.endings import WorkerError


def test_the_address_comes_from_the_environment_and_survives_any_password() -> None:
    dsn = database({"DB_HOST": "db", "DB_PORT": "6000", "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p w'\\@/"})
    assert conninfo_to_dict(dsn) == {"host": "db", "port": "6000", "dbname": "n", "user": "u", "password": "p w'\\@/"}


def test_there_is_no_default_password() -> None:
    with pytest.raises(WorkerError, match="DB_PASSWORD is not set"):
        database({})
