"""The way of a database to a newer version: whole or not at all, once, and with a copy of what was."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from avhcurate.people.log import ResponseLog
from avhcurate.workspace.data.event_tables import EVENTS, TABLES
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.log_tables import METADATA
from avhcurate.workspace.disk import database
from avhcurate.workspace.disk.database import open_engine
from avhcurate.workspace.disk.provenance import UnknownVersion
from avhcurate.workspace.disk.room import disk_trouble
from tests.fakes.child import in_child
from tests.fakes.killing import die, is_change
from tests.fakes.steps import NEXT
from tests.fakes.workspaces import by
from tests.people.test_log import vote

OLD, NEW = (database.VERSIONS[-1], [None, None]), (NEXT, [14, 7])


@pytest.fixture
def old(database):
    """A database of this version with two decisions and two votes."""
    log = EventLog(database)
    by("ann", log.annotate, "d", "tag", "odd", ["a.png", "b.png"])
    by("bob", log.annotate, "d", "exclude", None, ["a.png"])
    box = ResponseLog(database)
    for annotator in ("ann", "bob"):
        vote(box, annotator, "a.png")
    log.engine.dispose()
    box._engine.dispose()
    return database


def found(url):
    """The version of a database, and what the step writes of each decision, None before it."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        columns = [column["name"] for column in sa.inspect(connection).get_columns("events")]
        rows = connection.execute(sa.text("SELECT * FROM events ORDER BY id")).mappings().all()
        version = connection.execute(sa.text("SELECT version_num FROM avhcurate_version")).scalars().one()
    engine.dispose()
    assert [(row["action"], row["samples"]) for row in rows] == [("tag", 2), ("exclude", 1)]
    assert ("length" in columns) == (version == NEXT)
    return version, [row.get("length") for row in rows]


def open_all(url):
    open_engine(url, TABLES, METADATA).dispose()


def test_an_older_database_gets_the_step_once_and_keeps_all(old, update):
    assert found(old) == OLD
    taken = update()
    for _ in range(2):
        open_all(old)
    assert found(old) == NEW
    assert taken.read_text() == "taken "
    log, box = EventLog(old), ResponseLog(old)
    assert by("bob", log.undo, "d").action == "exclude"
    vote(box, "cyd", "b.png")
    assert box.counts("d") == (3, 3)


def test_a_step_that_fails_changes_nothing(old, update):
    update(end="raise RuntimeError('a mistake in the step')")
    with pytest.raises(RuntimeError, match="a mistake in the step"):
        open_all(old)
    assert found(old) == OLD


def test_a_disk_that_is_full_half_way_is_told_as_such(old, update):
    update(end="import sqlite3; raise sa.exc.OperationalError('', {}, sqlite3.OperationalError('disk is full'))")
    with pytest.raises(sa.exc.OperationalError) as error:
        open_all(old)
    assert disk_trouble(error.value).startswith("The disk is full at the database.")
    assert found(old) == OLD


def test_processes_that_open_it_at_the_same_time_take_the_step_once(old, update):
    taken, children = update(end="import time; time.sleep(0.5)"), []
    ready, go = os.pipe()
    for _ in range(4):
        if not (pid := os.fork()):
            os.close(go)
            os.read(ready, 1)  # until the parent closes it
            code = 1
            try:
                open_all(old)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    os.close(go)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    os.close(ready)
    assert taken.read_text() == "taken "
    assert found(old) == NEW


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_one_or_the_new_one(old, update, tmp_path):
    """Before each statement, each commit, and each change of the disk by Python."""
    update()
    before = {path: path.read_bytes() for path in tmp_path.glob("annotations.db*")}

    def open_and_die(number):
        count = 0

        def moment(*_):
            nonlocal count
            count += 1
            if count == number:
                die()

        sa.event.listen(sa.Engine, "before_cursor_execute", moment)
        sa.event.listen(sa.Engine, "commit", moment)
        sys.addaudithook(lambda event, given: is_change(event, given, tmp_path) and moment())
        open_all(old)

    codes = [-9]
    while codes[-1] == -9:
        codes.append(in_child(partial(open_and_die, len(codes))).code)
        assert found(old) == (NEW if codes[-1] == 0 else OLD)
        assert in_child(partial(open_all, old)).code == 0
        assert found(old) == NEW
        assert not list(tmp_path.glob(".*"))
        _take_back(old, before)
    assert codes[-1] == 0
    assert len(codes) > 15


def _take_back(url, files):
    """Make it the older one again."""
    for path, content in files.items():
        for log in ("", "-wal", "-shm"):
            path.with_name(f"{path.name}{log}").unlink(missing_ok=True)
        path.write_bytes(content)
    if files:
        return
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX events_by_length"))
        connection.execute(sa.text("ALTER TABLE events DROP COLUMN length"))
        connection.execute(sa.text(f"UPDATE avhcurate_version SET version_num = '{OLD[0]}'"))
    engine.dispose()


def test_a_copy_of_an_older_file_stays_beside_it_until_somebody_withdraws(tmp_path, update):
    file = tmp_path / "annotations.db"
    url = f"sqlite:///{file}"
    log, box = EventLog(url), ResponseLog(url)
    by("ann", log.annotate, "d", "tag", "odd", ["a.png"])
    vote(box, "ann", "a.png")
    update()
    open_all(url)
    copy = tmp_path / f"annotations.db.version-{OLD[0]}"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT version_num FROM avhcurate_version").fetchall() == [(OLD[0],)]
        assert connection.execute("SELECT value FROM events").fetchall() == [("odd",)]
        assert connection.execute("SELECT annotator FROM ballots").fetchall() == [("ann",)]
    ResponseLog(url).withdraw("d", "ann", at=1.0)
    assert not copy.exists()


def test_a_version_before_the_update_refuses_what_the_update_wrote(old, update, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(database, "VERSIONS", database.VERSIONS)
        update()
        open_all(old)
    monkeypatch.undo()
    with pytest.raises(UnknownVersion, match=rf"has schema version {NEXT}, and avhcurate .* reads only .*{OLD[0]}\."):
        open_all(old)
    assert found(old) == NEW


def test_the_versions_are_those_of_the_files():
    script = ScriptDirectory(str(database._FOLDER))
    assert [step.revision for step in script.walk_revisions()][::-1] == list(database.VERSIONS)
    names = [path.stem for path in sorted((database._FOLDER / "versions").glob("version_*"))]
    assert names == [f"version_{version}" for version in database.VERSIONS]


def test_a_database_of_this_version_is_opened_without_alembic(tmp_path):
    program = (
        "import sys; from avhcurate.workspace.data.events import EventLog; "
        "EventLog(sys.argv[1]); EventLog(sys.argv[1]); sys.exit('alembic' in sys.modules)"
    )
    url = f"sqlite:///{tmp_path / 'annotations.db'}"
    subprocess.run([sys.executable, "-c", program, url], check=True)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE avhcurate_version SET version_num = '1000'", "DROP TABLE avhcurate_version"],
    ids=["another version", "without a version"],
)
def test_a_database_of_another_version_is_refused_and_stays_as_it_is(database, statement):
    log = EventLog(database)
    ResponseLog(database)
    by("ann", log.annotate, "d", "tag", "odd", ["a"])
    with log.engine.begin() as connection:
        connection.execute(sa.text(statement))
    for kind in (EventLog, ResponseLog):
        with pytest.raises(UnknownVersion, match=r"The database .* has schema version .* reads only .* Install the"):
            kind(database)
    with log.engine.connect() as connection:
        assert connection.execute(sa.select(EVENTS.c.value)).scalars().all() == ["odd"]
