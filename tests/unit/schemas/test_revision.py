"""What the release asks of a database is its newest migration, and each migration follows one."""

import re
from pathlib import Path

from schemas import migrations, tables

FILES = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))


def test_the_release_needs_its_newest_migration() -> None:
    assert FILES[-1].name.partition("_")[0] == tables.REVISION


def test_each_migration_is_called_as_its_file_and_follows_the_one_before_it() -> None:
    before = "None"
    for number, file in enumerate(FILES, 1):
        said = dict(re.findall(r'^(revision|down_revision)\b[^=]*= "?(\w+)"?$', file.read_text("utf-8"), re.MULTILINE))
        assert said == {"revision": f"{number:04}", "down_revision": before}, file.name
        assert file.name.startswith(said["revision"])
        before = said["revision"]
