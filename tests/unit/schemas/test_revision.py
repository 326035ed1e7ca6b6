"""What the release asks of a database is its newest migration."""

from pathlib import Path

from schemas import migrations, tables


def test_the_release_needs_its_newest_migration() -> None:
    names = (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py")
    assert max(name.name.partition("_")[0] for name in names) == tables.REVISION
