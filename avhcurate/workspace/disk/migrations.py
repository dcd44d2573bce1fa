"""Takes the database of an older version up to this one, by the steps in `versions/`."""

import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from avhcurate.workspace.disk.files import remove_leftovers, replacing

#: The versions of the database, oldest first. Each has a file in `versions/` that makes it of the one before.
VERSIONS = ("2", "3")
_FOLDER = Path(__file__).parent


def step_up(connection: sa.Connection, version: str) -> None:
    """Take every step from an older version in the open transaction, which nobody else can be in.

    Until the commit the database is as it was. What is in a SQLite file stays beside it as a copy.
    """
    # Imported here: most programs meet a database of their own version.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    if connection.dialect.name == "sqlite":
        _copy_beside(connection.engine, version)
    steps = [*ScriptDirectory(str(_FOLDER)).iterate_revisions(VERSIONS[-1], version)]
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(steps):
            step.module.upgrade()


def remove_copies(engine: sa.Engine) -> None:
    """Remove the copies of older versions, in which is what people have withdrawn since."""
    for version in VERSIONS:
        _copy(engine, version).unlink(missing_ok=True)


def _copy_beside(engine: sa.Engine, version: str) -> None:
    copy = _copy(engine, version)
    remove_leftovers(copy.parent)
    with replacing(copy) as stream, closing(sqlite3.connect(stream.name)) as target:
        target.execute("PRAGMA journal_mode=OFF")  # a kill then leaves one file, which is removed by its name
        with closing(sqlite3.connect(str(engine.url.database))) as source:
            source.backup(target)


def _copy(engine: sa.Engine, version: str) -> Path:
    return Path(f"{engine.url.database}.version-{version}")
