"""The repair of a database: what is read around damage, what is said to be gone, and what a kill leaves."""

import gc
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from avhcurate.datasets.table import salvage
from avhcurate.people.log import Lease, ResponseLog, open_response_log
from avhcurate.workspace.data import logs
from avhcurate.workspace.data.event_tables import TABLES
from avhcurate.workspace.data.events import EventLog
from avhcurate.workspace.data.log_tables import METADATA
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.database import VERSIONS
from tests.fakes.workspaces import by, copied

ANSWERS = 600
PAGE = 4096
#: The first byte of a page that holds rows of a table.
LEAF = 13


def decide(space):
    """Write into every table: each answer has a path of its own, and a third is taken back."""
    events, log = open_events(space.root), open_response_log(space.root)
    for number in range(200):
        by("ann", events.annotate, "d", "tag", f"tag {number}", [f"{number}.png"])
    by("ann", events.save_set, "d", "mine", ["1.png", "2.png"])
    with log.transaction("d") as entries:
        for number in range(ANSWERS):
            answer = Lease(task=f"t{number}", path=f"answered/{number:05}.png", class_name="cat")
            entries.record("classify", "bob", [answer], nonce=f"n{number}", reaction_ms=900, at=1.0)
        for number in range(0, ANSWERS, 3):
            entries.retract(f"t{number}", at=2.0)
        entries.set_status("bob", "exclude", why="fast", who="ann", at=3.0)
        entries.choose("setup", "{}", who="ann", at=3.0)
        entries.lend("classify", "bob", [Lease(task="open", path="lent.png")])
        entries.withdraw("cyd", at=4.0)
    del events, log, entries
    closed(space)


def closed(space):
    """Close the database and empty its log, as if all processes had ended."""
    logs._shared.cache_clear()
    gc.collect()
    with closing(sqlite3.connect(space.annotations_path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.fixture(scope="module")
def decided_root(tmp_path_factory):
    """A workspace with entries in every table, and no dataset."""
    space = Workspace(tmp_path_factory.mktemp("decided") / "workspace")
    decide(space)
    return space.root


@pytest.fixture
def decided(decided_root, workspace, monkeypatch):
    """A copy of it."""
    copied(decided_root, workspace.root)
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(workspace.root))
    monkeypatch.chdir(workspace.root.parent)
    return workspace


def counts(path):
    with closing(sqlite3.connect(path)) as connection:
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in salvage.HOLDS}


def overwrite(space, page, rows_only=False):
    """Write over a page of the database, or its rows with zeros, and return what it held."""
    with open(space.annotations_path, "rb+") as stream:
        stream.seek(page * PAGE)
        held = stream.read(PAGE)
        start = int.from_bytes(held[5:7]) if rows_only else 0
        stream.seek(page * PAGE + start)
        stream.write((b"\0" if rows_only else b"\xff") * (PAGE - start))
    return held


def page_with(space, text):
    """Return the page on which a table has a row with that text."""
    content = space.annotations_path.read_bytes()
    pages = [content[start : start + PAGE] for start in range(0, len(content), PAGE)]
    return next(number for number, page in enumerate(pages) if page[0] == LEAF and text in page)


def root_of(space, table):
    with closing(sqlite3.connect(space.annotations_path)) as connection:
        return connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0] - 1


def test_a_plain_address_of_postgresql_means_the_driver_of_the_extra(workspace, monkeypatch):
    for scheme in ("postgres", "postgresql"):
        monkeypatch.setenv("AVHCURATE_DATABASE_URL", f"{scheme}://ann@host/name")
        assert logs.database_url(workspace.root) == "postgresql+psycopg://ann@host/name"


def test_every_table_has_words_for_what_it_holds():
    assert salvage.HOLDS.keys() == TABLES.tables.keys() | METADATA.tables.keys()


@pytest.mark.parametrize("rows_only", [False, True])
def test_rows_on_both_sides_of_each_damaged_page_are_kept(cli, decided, rows_only):
    pages = {page_with(decided, f"answered/{number:05}.png".encode()) for number in (100, 300)}
    held = b"".join(overwrite(decided, page, rows_only) for page in pages)
    paths = [f"answered/{number:05}.png" for number in range(ANSWERS)]
    gone = {path for path in paths if path.encode() in held}
    assert len(pages) == 2
    assert 20 < len(gone) < 200
    out = cli("check", "--repair").out
    with closing(sqlite3.connect(decided.annotations_path)) as connection:
        kept = {path for (path,) in connection.execute("SELECT path FROM ballots")}
    assert kept == set(paths) - gone
    assert f"Answers: {len(kept)} kept, {len(gone)} gone; they are no longer votes." in out


GONE = {
    "events": "Tags, labels, exclusions, sets, views, keys and roles: 0 kept, 201 gone; what was undone by them counts",
    "event_samples": "Images of tags, labels and exclusions: 0 kept, 200 gone; those are no longer about these images",
    "set_members": "Lists of the images of sets: none could be read; their sets are empty or cannot be opened.",
    "ballots": f"Answers: 0 kept, {ANSWERS} gone; they are no longer votes.",
    "takebacks": f"Answers taken back: 0 kept, {ANSWERS // 3} gone; answers that people took back may count again.",
    "rulings": "Exclusions of annotators: 0 kept, 1 gone; annotators who were excluded may count again.",
    "choices": "Settings of collections: 0 kept, 1 gone; look at them on the page Annotate.",
}


@pytest.mark.parametrize("table", GONE)
def test_what_is_gone_is_said_in_the_words_of_its_table_until_a_person_deletes_that(cli, decided, table):
    overwrite(decided, root_of(decided, table))
    ended = cli("check", "--repair")
    assert (ended.code, GONE[table] in ended.out, "Some of what people decided is gone" in ended.err) == (2, True, True)
    ended = cli("check", "--json")
    found = json.loads(ended.out)
    ((report, lines),) = found["lost"].items()
    assert (ended.code, found["damaged"], len(lines)) == (2, [], len(salvage.HOLDS))
    assert any(GONE[table] in line for line in lines)
    if table == "set_members":
        with pytest.raises(salvage.CurateError, match="list of images of this set is gone"):
            open_events(decided.root).members(open_events(decided.root).find("d", "set", "mine").id)
    (decided.root / report).unlink()
    assert cli("check").out == f"{decided.root} is intact\n"


def test_nothing_is_gone_where_only_an_index_is_damaged_and_no_number_is_given_twice(cli, decided):
    before = counts(decided.annotations_path)
    with closing(sqlite3.connect(decided.annotations_path)) as connection:
        connection.execute("DELETE FROM set_members")
        connection.execute("DELETE FROM events WHERE id = 201")
        connection.commit()
    overwrite(decided, root_of(decided, "ballots_by_id"))
    assert cli("check").code == 2
    ended = cli("check", "--repair")
    assert (ended.code, "1,203 entries of annotations.db could be read" in ended.out) == (0, True), ended
    assert cli("check").out == f"{decided.root} is intact\n"
    assert counts(decided.annotations_path) == before | {"events": 200, "set_members": 0}
    assert by("ann", open_events(decided.root).annotate, "d", "tag", "new", ["1.png"]) == 202


@pytest.mark.parametrize("empty", [True, False])
def test_a_database_that_is_gone_is_damage_and_none_is_made_in_its_place(cli, decided, empty):
    path = decided.annotations_path
    path.unlink()
    if empty:
        path.touch()
    for words in (("roles", "grant", "ann@x.org", "curator"), ("check", "--backup", "copy"), ("check",)):
        ended = cli(*words)
        assert (ended.code, "is empty (0 bytes)" in ended.err + ended.out) == (2, empty)
        assert (path.exists(), path.exists() and path.stat().st_size) == (empty, 0)
    assert "Answers: none could be read" in cli("check", "--repair").out
    assert counts(path)["ballots"] == 0


@pytest.mark.parametrize("left", ["missing", "of 0 bytes", "without tables", "without entries"])
def test_what_repairs_once_left_when_killed_is_found_and_finished(cli, decided, left):
    before, path = counts(decided.annotations_path), decided.annotations_path
    aside = decided.root / "damaged" / "20260101-000000" / path.name
    aside.parent.mkdir(parents=True)
    path.rename(aside)
    (decided.root / "annotations.made").unlink()
    if left != "missing":
        path.touch()
    if left.startswith("without"):
        EventLog(f"sqlite:///{path}")
    if left == "without entries":
        ResponseLog(f"sqlite:///{path}")
    gc.collect()
    assert cli("check").code == 2
    ended = cli("check", "--repair")
    assert (ended.code, f"entries of {aside.relative_to(decided.root)} could be read" in ended.out) == (0, True), ended
    assert counts(path) == before
    assert cli("check").out == f"{decided.root} is intact\n"


def test_a_program_that_has_the_database_open_stops_the_repair(cli, decided, monkeypatch):
    monkeypatch.setattr(salvage, "PATIENCE_S", 0)
    overwrite(decided, root_of(decided, "takebacks"))
    before = decided.annotations_path.read_bytes()
    with closing(sqlite3.connect(decided.annotations_path)) as server:
        server.execute("SELECT count(*) FROM events").fetchall()
        ended = cli("check", "--repair")
        assert (ended.code, "Another program holds annotations.db" in ended.err) == (2, True)
    assert decided.annotations_path.read_bytes() == before


CHANGES = {
    "rename": ("--rename", "3=three"),
    "merge": ("--merge", "3,5=x"),
    "add": ("--add", "new"),
    "split": ("--split", "1", "--by", "embeddings"),
    "retire": ("--retire", "4"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_workspace_with_changed_classes_is_repaired_and_used_again(cli, own_demo_root, monkeypatch, change):
    space = Workspace(own_demo_root)
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(space.root))
    monkeypatch.setattr(salvage, "PATIENCE_S", 0)
    assert cli("tag", "digits", "odd", "--ids", "1,2,3").code == 0
    assert cli("classes", "digits", *CHANGES[change]).code == 0
    space.dataset("digits").labels()  # a table of the labels of today is made
    closed(space)
    os.truncate(space.annotations_path, space.annotations_path.stat().st_size // 2)
    said = json.loads(cli("check", "--json").out)
    assert [damage["file"] for damage in said["damaged"]] == ["annotations.db"]  # the dataset's own files are whole
    ended = cli("check", "--repair")
    assert (ended.code, ended.out.count("could be read and are kept")) == (2, 1), ended
    assert "Tags, labels, exclusions, sets, views, keys and roles: " in ended.out
    assert "Some of what people decided is gone" in ended.err
    again = json.loads(cli("check", "--repair", "--json").out)
    assert (again["damaged"], len(again["lost"])) == ([], 1)
    for report in again["lost"]:
        (space.root / report).unlink()
    assert cli("check", "--repair").out == f"{space.root} is intact\n"
    for words in (("tag", "digits", "even", "--ids", "4"), ("classes", "digits", "--rename", "7=seven"), ("list",)):
        assert cli(*words).code == 0
    assert "seven" in space.dataset("digits").record.classes


def test_a_repair_closes_what_its_own_process_has_open(cli, decided, monkeypatch):
    monkeypatch.setattr(salvage, "PATIENCE_S", 0)
    overwrite(decided, root_of(decided, "takebacks"))
    log, answers = open_events(decided.root), open_response_log(decided.root)
    assert (log.version("d"), answers.counts("d")[0]) == (201, ANSWERS)
    assert "Answers taken back: 0 kept" in cli("check", "--repair").out
    assert log.version("d") == 201


def test_a_damaged_table_of_the_labels_of_today_is_set_aside_and_made_again(cli, own_demo_root, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    dataset = Workspace(own_demo_root).dataset("digits")
    assert cli("classes", "digits", "--merge", "3,5=x").code == 0
    labels = dataset.labels()
    for path in (dataset.samples_path, dataset.run().scores_today):
        path.write_bytes(path.read_bytes()[:-100])
        ended = cli("check", "--repair")
        assert (ended.code, ended.out.count("\n"), path.name in ended.out) == (0, 1, True), ended
    assert (dataset.labels() == labels).all()
    assert cli("check").out == f"{own_demo_root} is intact\n"


def test_a_damaged_database_of_an_older_version_is_repaired_into_this_one(cli, decided):
    with closing(sqlite3.connect(decided.annotations_path)) as connection:
        connection.execute("UPDATE avhcurate_version SET version_num = '2'")
        connection.execute("DROP TABLE event_acts")
        connection.commit()
    overwrite(decided, page_with(decided, b"answered/00100.png"))
    ended = cli("check", "--repair")
    assert "Answers: " in ended.out
    now = counts(decided.annotations_path)
    assert (now["events"], now["event_acts"]) == (201, 0)
    assert 0 < ANSWERS - now["ballots"] < 200
    with closing(sqlite3.connect(decided.annotations_path)) as connection:
        assert connection.execute("SELECT version_num FROM avhcurate_version").fetchall() == [(VERSIONS[-1],)]


def test_a_damaged_database_of_another_version_is_left_to_the_program_that_wrote_it(cli, decided):
    with closing(sqlite3.connect(decided.annotations_path)) as connection:
        connection.execute("UPDATE avhcurate_version SET version_num = '1'")
        connection.commit()
    overwrite(decided, root_of(decided, "takebacks"))
    ended = cli("check", "--repair")
    assert (ended.code, "is of version 1. Repair it by the avhcurate that wrote it" in ended.err) == (2, True)
    assert not list(decided.root.glob(".*.tmp"))


#: Cuts a database whose last entries are in its write-ahead log, and kills the repair before each change of the disk.
KILLED = """
    import gc, os, shutil, sqlite3, sys
    from contextlib import closing
    from pathlib import Path
    from avhcurate.datasets.table.check import check_workspace
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.child import avhcurate, in_child
    from tests.datasets.table.test_salvage import counts
    from tests.fakes.killing import die, die_at_change

    gc.freeze()  # children share what was imported
    base, root = Path(sys.argv[1]), Path(sys.argv[2])

    def write(place):
        connection = sqlite3.connect(place / "annotations.db")
        connection.execute("PRAGMA journal_mode=WAL")
        event = "INSERT INTO events (dataset, at, who, action, value, samples) VALUES ('d', 1, 'w', 'tag', 'late', 0)"
        connection.execute(event)
        connection.commit()
        die()  # the log stays

    def repair(place, number):
        die_at_change(number, place)
        return avhcurate("check", "--repair", "--workspace", str(place))

    def called(place, *words):
        return in_child(lambda: avhcurate("check", *words, "--workspace", str(place))).value.code

    codes, found = [], set()
    while 0 not in codes:  # until a repair is not killed any more, since it makes no more changes
        place = root / str(len(codes) + 1)
        shutil.copytree(base, place)
        in_child(lambda: write(place))
        os.truncate(place / "annotations.db", (base / "annotations.db").stat().st_size * 4 // 5)
        codes.append(in_child(lambda: repair(place, len(codes) + 1)).code)
        assert (place / "annotations.db").stat().st_size, "nothing was in its place"
        before = called(place)
        repaired = called(place, "--repair")
        with closing(sqlite3.connect(place / "annotations.db")) as connection:
            late = connection.execute("SELECT count(*) FROM events WHERE value = 'late'").fetchall()
        found.add((before, repaired, *late, *counts(place / "annotations.db").values()))
        assert not list(place.rglob("*.tmp")), list(place.rglob("*.tmp"))
    print(codes)
    print(found)
"""


@pytest.mark.slow
def test_a_repair_that_is_killed_at_any_change_loses_nothing_and_is_finished_by_another(workspace, tmp_path):
    decide(workspace)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(workspace.root), str(tmp_path / "killed")]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    codes, found = map(eval, said.stdout.splitlines())
    assert len(codes) > 15
    assert set(codes) == {-9, 0}
    ((checked, repaired, late, _, _, _, _, answers, *_),) = found
    assert (checked, repaired, late, 50 < answers < ANSWERS) == (2, 2, (1,), True)


def test_backups_go_where_they_can_be_written_and_not_into_the_workspace(cli, decided):
    (decided.root / "datasets").mkdir(exist_ok=True)
    Path("link").symlink_to(decided.root)
    for inside in (decided.root / "datasets" / "x", Path("link") / "x"):
        ended = cli("check", "--backup", inside)
        assert (ended.code, "is inside the workspace that it would copy" in ended.err) == (2, True)
    Path("gone").symlink_to("nowhere")
    Path("file").touch()
    for place in ("/proc/x", "/proc/1/x", "gone", "file/x"):
        ended = cli("check", "--backup", place)
        assert (ended.code, ended.err.count("\n"), "Choose " in ended.err) == (2, 1, True), ended.err
    assert cli("check").out == f"{decided.root} is intact\n"
    assert cli("check", "--backup", "copy").code == 0
    assert counts(Workspace("copy").annotations_path) == counts(decided.annotations_path)
