"""The response log, on SQLite and PostgreSQL: nothing lost, nothing doubled, whoever writes at once."""

import subprocess
import sys
import textwrap
import threading
import time
import uuid

import numpy as np
import pytest
import sqlalchemy as sa

from avhcurate.errors import Unavailable
from avhcurate.people.hsf_source import left_out
from avhcurate.people.log import Lease, ResponseLog
from avhcurate.people.log_columns import ResponseColumns
from avhcurate.workspace.data import people
from avhcurate.workspace.data.people import Person, Role
from tests.fakes.killing import lines_until_killed
from tests.fakes.refusals import refused

NOW = 1_000_000.0


@pytest.fixture
def box(database):
    return ResponseLog(database)


def lease(path, *, task=None, control="none", expires=NOW + 60, turn=0, name=""):
    return Lease(task=task or uuid.uuid4().hex, path=path, class_name=name, control=control, turn=turn, expires=expires)


def vote(box, annotator, path, answer="cat", *, dataset="d", control="none", at=NOW, expected=None):
    """Casts one answer of the design classify; its task."""
    task = uuid.uuid4().hex
    with box.transaction(dataset) as log:
        answered = Lease(task=task, path=path, class_name=answer, control=control, expected=expected)
        log.record("classify", annotator, [answered], nonce=task, reaction_ms=800, at=at)
    return task


def standing(columns):
    """(annotator, path, answer) of the columns's standing rows."""
    rows = columns.rows[columns.rows["standing"]]
    names = ((columns.annotators, "annotator"), (columns.paths, "path"), (columns.classes, "answer"))
    return list(zip(*([known.texts[number] for number in rows[field]] for known, field in names), strict=True))


def test_a_response_is_in_the_columns_at_once_and_in_another_process_too(box, database):
    vote(box, "ann", "a.png", "cat")
    vote(box, "bob", "a.png", "dog")
    vote(box, "ann", "b.png", "cat", dataset="another")
    expected = [("ann", "a.png", "cat"), ("bob", "a.png", "dog")]
    assert standing(box.columns("d")) == standing(ResponseLog(database).columns("d")) == expected


def test_columns_read_step_by_step_equal_those_read_at_the_end(box, database):
    for step in range(12):
        task = vote(box, f"w{step % 3}", f"{step}.png", "cat" if step % 2 else "dog", at=NOW + step)
        if step % 4 == 3:
            with box.transaction("d") as log:
                log.retract(task, at=NOW + step)
        box.columns("d")
    again = ResponseLog(database).columns("d")
    assert len(box.columns("d").rows) == 12
    for column in ("id", "annotator", "path", "answer", "at", "standing"):
        assert box.columns("d").rows[column].tolist() == again.rows[column].tolist()
    assert (~again.rows["standing"]).sum() == 3


def test_a_grid_is_written_whole_or_not_at_all(box):
    tiles = [Lease("t", f"{place}.png", place, "cat", ticked=bool(place % 2)) for place in range(3)]

    def fall_over():
        with box.transaction("d") as log:
            log.record("select", "ann", tiles, nonce="n", reaction_ms=9000, at=NOW)
            raise RuntimeError("the server falls over")

    with pytest.raises(RuntimeError):
        fall_over()
    assert len(box.columns("d").rows) == 0
    with box.transaction("d") as log:
        log.record("select", "ann", tiles, nonce="n", reaction_ms=9000, at=NOW)
    assert box.columns("d").rows["selected"].tolist() == [0, 1, 0]


def test_an_answer_sent_twice_is_refused_by_the_database_itself(box):
    answered = Lease("t", "a.png", class_name="cat")

    def send():
        with box.transaction("d") as log:
            log.record("classify", "ann", [answered], nonce="n", reaction_ms=800, at=NOW)

    send()
    with pytest.raises(Exception, match=r"(?i)unique"):
        send()
    assert len(box.columns("d").rows) == 1


def test_leases_are_seen_by_others_until_they_expire(box):
    with box.transaction("d") as log:
        log.lend("classify", "ann", [lease("a.png"), lease("b.png", control="attention"), lease("c.png", expires=NOW)])
        assert log.on_loan("classify", "", annotator="bob", now=NOW) == {"a.png": 1}
        assert log.on_loan("classify", "", annotator="ann", now=NOW) == {}
        assert log.on_loan("classify", "", annotator="bob", now=NOW + 61) == {}
        log.prolong([log.leases("classify", "ann")[0].task], NOW + 600)
        log.forget(NOW + 100)
    with box.reading("d") as log:
        assert len(log.leases("classify", "ann")) == 1


def test_the_newest_answer_is_taken_back_first(box):
    vote(box, "ann", "a.png", at=NOW)
    vote(box, "ann", "b.png", at=NOW + 1)
    vote(box, "bob", "c.png", at=NOW + 2)
    paths = []
    with box.transaction("d") as log:
        while given := log.given("classify", "ann"):
            assert given.stands
            log.retract(given.task, at=NOW)
            assert not log.given("classify", "ann", nonce=given.nonce).stands
            paths += [answered.path for answered in log.answers(given.task)]
        assert log.given("classify", "bob", task="none") is None
    assert paths == ["b.png", "a.png"]
    assert standing(box.columns("d")) == [("bob", "c.png", "cat")]


def test_the_last_ruling_on_an_annotator_stands(box):
    with box.transaction("d") as log:
        for action in ("exclude", "include", "exclude"):
            log.set_status("ann", action, why=f"because of {action}", who="boss", at=NOW)
        for kind, value in (("source", "tick"), ("collection", "{}"), ("source", "auto")):
            log.choose(kind, value, who="boss", at=NOW)
    assert box.columns("d").choices == {"source": "auto", "collection": "{}"}
    assert box.columns("d").statuses == {"ann": ("exclude", "because of exclude", "boss")}
    assert [ruling["action"] for ruling in box.status_changes("d")] == ["exclude", "include", "exclude"]


def test_what_is_withdrawn_leaves_a_number_and_no_name(box, database, tmp_path):
    name = "Wilhelmina Withdrawn"
    vote(box, "bob", "a.png")
    for path in ("a.png", "b.png"):
        vote(box, name, path)
    with box.transaction("d") as log:
        log.retract(log.given("classify", name).task, at=NOW)
        log.lend("classify", name, [lease("c.png")])
        log.set_status(name, "exclude", why="asked for it", who="boss", at=NOW)
    assert len(box.columns("d").rows) == 3
    assert box.withdraw("d", name, at=NOW + 5) == 2
    columns = box.columns("d")
    assert standing(columns) == [("bob", "a.png", "cat")]
    assert columns.annotators.texts == ["bob"]
    assert columns.statuses == {}
    with box.reading("d") as log:
        assert log.leases("classify", name) == []
    with sa.create_engine(database).connect() as connection:
        assert connection.execute(sa.text("SELECT dataset, answers, at FROM withdrawals")).all() == [("d", 2, NOW + 5)]
    if database.startswith("sqlite"):
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("annotations.db*"))
        assert b"Wilhelmina" not in kept
        assert b"bob" in kept


def test_who_removes_their_answers_stays_excluded_without_a_name(box, database, tmp_path, monkeypatch):
    name = "Wilhelmina Withdrawn"
    vote(box, name, "a.png")
    with box.transaction("d") as log:
        log.set_status(name, "exclude", why="Wilhelmina guesses", who="boss", at=NOW)
    monkeypatch.setattr(people, "_who", lambda: Person(name, Role.ANNOTATOR))
    assert box.withdraw("d", name, at=NOW + 5) == 1
    if database.startswith("sqlite"):
        assert b"Wilhelmina" not in b"".join(path.read_bytes() for path in tmp_path.glob("annotations.db*"))
    monkeypatch.undo()
    vote(box, name, "b.png")
    vote(box, "bob", "b.png")
    columns = box.columns("d")
    assert columns.statuses[name] == ("exclude", "", "boss")
    assert left_out(columns, "classify", None).tolist() == [columns.annotators.number(name)]
    with box.transaction("d") as log:
        log.set_status(name, "include", why="", who="boss", at=NOW)
    assert left_out(box.columns("d"), "classify", None).tolist() == []


def test_a_read_that_breaks_off_counts_no_answer_twice(box, monkeypatch):
    vote(box, "ann", "a.png")
    box.columns("d")
    vote(box, "ann", "b.png")
    append = ResponseColumns.append

    def break_off(columns, rows):
        append(columns, rows)
        raise ConnectionError

    monkeypatch.setattr(ResponseColumns, "append", break_off)
    with pytest.raises(ConnectionError):
        box.columns("d")
    monkeypatch.undo()
    assert len(box.columns("d").rows) == 2


def test_a_connection_that_the_server_dropped_is_replaced(box, database):
    vote(box, "ann", "a.png")
    if not database.startswith("sqlite"):
        with box._engine.connect() as connection:
            pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar()
        other = sa.create_engine(database)
        with other.connect() as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        other.dispose()
    vote(box, "ann", "b.png")
    assert len(box.columns("d").rows) == 2


def test_withdrawing_reaches_other_processes_and_later_ballots_still_come_in(box, database):
    other = ResponseLog(database)
    for who in ("ann", "bob"):
        vote(box, who, "a.png")
    assert len(other.columns("d").rows) == 2
    box.withdraw("d", "ann", at=NOW)
    vote(box, "cyd", "a.png", "dog")
    assert standing(other.columns("d")) == [("bob", "a.png", "cat"), ("cyd", "a.png", "dog")]


def test_a_database_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(Unavailable, match="cannot be opened"):
        ResponseLog(f"sqlite:///{tmp_path / 'nowhere' / 'annotations.db'}")
    with refused("AVHCURATE_DATABASE_URL"):
        ResponseLog("nonsense")


def test_a_password_is_not_said(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(Unavailable, match="cannot be opened") as caught:
        ResponseLog(f"postgresql+psycopg://ann:secret@/votes?host={tmp_path}")
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_writers_of_several_processes_and_threads_lose_nothing_and_readers_see_every_step(database):
    """Numbers of the log must become visible in order, or a columns that reads on from the last one would miss some."""
    script = f"""
        import sys, uuid, threading
        from avhcurate.people.log import Lease, ResponseLog
        box, who = ResponseLog({database!r}), sys.argv[1]
        def write(name):
            for i in range(20):
                task = uuid.uuid4().hex
                with box.transaction("d") as log:
                    answered = Lease(task, f"{{i}}.png", class_name="cat")
                    log.record("classify", name, [answered], nonce=task, reaction_ms=500, at=1.0)
        threads = [threading.Thread(target=write, args=(f"{{who}}-{{i}}",)) for i in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    writers = [subprocess.Popen([*command, f"p{number}"]) for number in range(2)]
    box = ResponseLog(database)  # new, and opened by all three at once
    while any(writer.poll() is None for writer in writers):
        box.columns("d")
        time.sleep(0.005)
    assert [writer.returncode for writer in writers] == [0, 0]
    found = standing(box.columns("d"))
    assert len(found) == len(set(found)) == 2 * 3 * 20
    assert (np.diff(box.columns("d").rows["id"]) > 0).all()


def test_an_acknowledged_answer_outlives_kill_9(database):
    script = f"""
        from avhcurate.people.log import Lease, ResponseLog
        box = ResponseLog({database!r})
        for i in range(100000):
            with box.transaction("d") as log:
                answered = Lease(str(i), f"{{i}}.png", class_name="cat")
                log.record("classify", "ann", [answered], nonce=str(i), reaction_ms=500, at=1.0)
            print(i, flush=True)
    """
    acknowledged = lines_until_killed(script, 30)
    kept = {path for _, path, _ in standing(ResponseLog(database).columns("d"))}
    assert {f"{number}.png" for number in acknowledged} <= kept
    assert len(kept) <= len(acknowledged) + 1


def test_a_transaction_is_for_one_at_a_time(box, database):
    other, seen = ResponseLog(database), []

    def look():
        with other.transaction("d"):
            seen.append(len(other.columns("d").rows))

    with box.transaction("d") as log:
        log.record("classify", "ann", [Lease("t", "a.png", class_name="cat")], nonce="n", reaction_ms=1, at=1)
        waiting = threading.Thread(target=look)
        waiting.start()
        time.sleep(0.2)
        assert seen == []
    waiting.join(10)
    assert seen == [1]
