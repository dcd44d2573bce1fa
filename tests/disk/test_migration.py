"""The database has a version: an older one is migrated with all that is in it, a newer one is refused."""

import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from avhcurate.data.annotation_log import EVENTS, AnnotationLog
from avhcurate.data.role_log import ROLES, RoleLog
from avhcurate.data.saved_log import ENTRIES
from avhcurate.disk import migration
from avhcurate.disk.database import open_engine
from avhcurate.disk.migration import DATABASE_VERSION, VERSION_TABLE, database_version
from avhcurate.disk.schema import NewerVersion
from avhcurate.votes.log_tables import METADATA

TABLES = (EVENTS.metadata, ENTRIES.metadata, METADATA)
#: Tables that came with a later version.
LATER = (ROLES.metadata,)


@pytest.fixture
def unversioned(database):
    """An engine of a database as the logs made it before there were versions, with an entry."""
    engine = sa.create_engine(database)
    for metadata in TABLES:
        metadata.create_all(engine)
    row = {"dataset": "pets", "at": sa.func.now(), "who": "ann", "action": "tag", "value": "odd", "samples": 0}
    with engine.begin() as connection:
        connection.execute(EVENTS.insert().values(row))
    return engine


def say_version(engine, version):
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'"))


def test_the_scripts_make_the_tables_that_the_logs_declare(database):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with open_engine(database).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, [*TABLES, *LATER]) == []


def test_a_database_without_a_version_gets_one_and_keeps_its_entries(unversioned, database):
    log = AnnotationLog(database)
    with log.engine.connect() as connection:
        assert database_version(connection) == DATABASE_VERSION
        assert connection.execute(sa.select(EVENTS.c.value)).scalars().all() == ["odd"]


def test_a_database_of_the_first_version_gets_the_tables_that_came_later(database):
    engine = open_engine(database)
    for metadata in LATER:
        metadata.drop_all(engine)
    say_version(engine, "0001")
    assert RoleLog(database).role_of("ann@x.org") is None


def test_a_newer_database_is_refused_in_one_line_and_stays_as_it_is(database):
    engine = open_engine(database)
    say_version(engine, "9999")
    with pytest.raises(
        NewerVersion, match=r"has schema version 9999, .* reads up to 0003: use the version that wrote it"
    ):
        AnnotationLog(database)
    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "9999"


def test_those_who_open_it_at_once_wait_for_one_migration_and_lose_nothing(unversioned, database):
    errors, barrier = [], threading.Barrier(6)

    def work():
        try:
            barrier.wait()
            AnnotationLog(database)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with unversioned.connect() as connection:
        assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all() == [
            DATABASE_VERSION
        ]
        assert connection.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar() == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(unversioned, database, monkeypatch):
    from alembic import command

    def fail(*_):
        raise RuntimeError("cut short")

    monkeypatch.setattr(command, "upgrade", fail)
    with pytest.raises(RuntimeError, match="cut short"):
        open_engine(database)
    monkeypatch.undo()
    assert open_engine(database)
    with unversioned.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar() == 1


def test_a_database_that_needs_nothing_is_opened_without_alembic(tmp_path):
    database = f"sqlite:///{tmp_path / 'annotations.db'}"
    open_engine(database)
    code = (
        f"import sys; from avhcurate.disk.database import open_engine; open_engine({database!r});"
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scripts_are_numbered_one_after_another():
    names = sorted(path.stem for path in (migration.SCRIPTS / "versions").glob("v*.py"))
    assert [name[1:5] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]
    assert names[-1][1:5] == DATABASE_VERSION
