"""The annotation log: what stands after any order of entries and undos, by whom, and across processes."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.data.annotation_log import AnnotationLog, fold
from avhcurate.errors import CurateError


@pytest.fixture
def log(tmp_path):
    return AnnotationLog(f"sqlite:///{tmp_path / 'annotations.db'}")


def state(log, dataset="d"):
    return log.state(dataset).set_index("path").to_dict("index")


def test_the_last_entry_about_a_thing_stands(log):
    log.append("d", "tag", "blurred", ["a", "b"], who="ann")
    log.append("d", "tag", "odd", ["a"], who="ann")
    log.append("d", "untag", "blurred", ["b"], who="bob")
    log.append("d", "relabel", "3", ["a"], who="ann")
    log.append("d", "exclude", None, ["b"], who="ann")
    assert state(log) == {
        "a": {"tags": ["blurred", "odd"], "curated_label": 3, "excluded": False},
        "b": {"tags": [], "curated_label": None, "excluded": True},
    }
    assert state(log, "another") == {}


def test_undo_takes_back_ones_own_newest_entry_and_nothing_twice(log):
    log.append("d", "tag", "first", ["a"], who="ann")
    log.append("d", "tag", "second", ["a"], who="bob")
    log.append("d", "tag", "third", ["a"], who="ann")
    assert log.undo("d", who="ann").value == "third"
    assert log.undo("d", who="ann").value == "first"
    assert log.undo("d", who="ann") is None
    assert state(log)["a"]["tags"] == ["second"]


def test_version_changes_with_every_entry_and_undo(log):
    versions = [log.version("d")]
    log.append("d", "exclude", None, ["a"], who="ann")
    versions.append(log.version("d"))
    log.undo("d", who="ann")
    versions.append(log.version("d"))
    assert versions == sorted(set(versions))


def test_an_unknown_action_and_an_empty_choice_are_refused(log):
    with pytest.raises(CurateError, match="tag, untag"):
        log.append("d", "delete", None, ["a"], who="ann")
    with pytest.raises(CurateError, match="select some"):
        log.append("d", "exclude", None, [], who="ann")


ENTRY = st.tuples(
    st.sampled_from(["tag", "untag", "relabel", "exclude", "include"]),
    st.sampled_from("123"),
    st.sampled_from("ab"),
)
ENTRIES = st.lists(ENTRY, max_size=25)


@settings(max_examples=80, deadline=None)
@given(entries=ENTRIES)
def test_the_folded_state_equals_a_replay_one_entry_at_a_time(entries):
    replay = {}
    for action, value, path in entries:
        sample = replay.setdefault(path, {"tags": set(), "reasons": set(), "curated_label": None, "excluded": False})
        if action == "tag":
            sample["tags"].add(value)
        elif action == "untag":
            sample["tags"].discard(value)
            sample["reasons"].discard(value)
        elif action == "relabel":
            sample["curated_label"] = int(value)
        else:
            sample["excluded"] = action == "exclude"
            # The reason of an exclusion is a tag until the sample is included again.
            sample["reasons"] = sample["reasons"] | {value} if sample["excluded"] else set()
    for sample in replay.values():
        sample["tags"] = sorted(sample["tags"] | sample.pop("reasons"))
    assert fold(pd.DataFrame(entries, columns=["action", "value", "path"])).set_index("path").to_dict("index") == replay


def test_the_reason_of_an_exclusion_is_a_tag_until_the_sample_is_included_again(log):
    log.append("d", "tag", "dark", ["a"], who="ann")
    for reason in ("blurred", "dark"):
        log.append("d", "exclude", reason, ["a", "b"], who="ann")
    assert state(log)["a"]["tags"] == ["blurred", "dark"]
    before = log.version("d")
    log.append("d", "include", None, ["a"], who="bob")
    assert state(log)["a"] == {"tags": ["dark"], "curated_label": None, "excluded": False}
    assert state(log)["b"]["tags"] == ["blurred", "dark"], "it is excluded still"
    assert log.state("d", since=before)["tags"].to_list() == [["dark"]]
    log.undo("d", who="bob")
    assert state(log)["a"] == {"tags": ["blurred", "dark"], "curated_label": None, "excluded": True}


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.one_of(st.none(), ENTRY), min_size=1, max_size=12), looks=st.integers(1, 4))
def test_what_changed_since_leads_to_the_whole_state(steps, looks):
    """None is an undo. A reader that looks now and then, and takes over what changed, has what a new one reads."""
    with tempfile.TemporaryDirectory() as folder:
        log, kept, read = AnnotationLog(f"sqlite:///{folder}/annotations.db"), {}, 0
        for number, step in enumerate(steps):
            if step is None:
                log.undo("d", who="ann")
            else:
                action, value, path = step
                log.append("d", action, value, [path, "of all"], who="ann")
            if number % looks == 0 or number == len(steps) - 1:
                kept |= log.state("d", since=read).set_index("path").to_dict("index")
                read = log.version("d")
        nothing = {"tags": [], "curated_label": None, "excluded": False}
        assert {path: one for path, one in kept.items() if one != nothing} == {
            path: one for path, one in state(log).items() if one != nothing
        }
        log.engine.dispose()


def test_writers_at_once_lose_nothing(log):
    def write(who):
        for i in range(20):
            log.append("d", "tag", f"{who}-{i}", ["a"], who=who)

    threads = [threading.Thread(target=write, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(state(log)["a"]["tags"]) == 120


def test_entries_become_visible_in_the_order_of_their_numbers(database):
    log = AnnotationLog(database)
    later = threading.Thread(target=log.append, args=("d", "tag", "b", ["a"]), kwargs={"who": "bob"})
    with log.engine.begin() as connection:
        log._insert(connection, "d", "ann", "tag", value="a", samples=0)
        later.start()
        later.join(0.3)
        assert later.is_alive(), "it waits for the entry before it"
        assert state(log) == {}
    later.join(20)
    assert state(log)["a"]["tags"] == ["b"]


def test_an_acknowledged_entry_outlives_kill_9(tmp_path):
    url = f"sqlite:///{tmp_path / 'annotations.db'}"
    script = f"""
        from avhcurate.data.annotation_log import AnnotationLog
        log = AnnotationLog({url!r})
        for i in range(100000):
            log.append("d", "tag", str(i), ["a"], who="ann")
            print(i, flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    acknowledged = [next(process.stdout) for _ in range(30)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.wait()
    kept = AnnotationLog(url).state("d")["tags"][0]
    assert {line.strip() for line in acknowledged if line.endswith("\n")} <= set(kept)
    assert len(kept) <= len(acknowledged) + 1


def test_several_processes_may_open_a_new_log_at_once(tmp_path):
    code = "import sys; from avhcurate.data.annotation_log import AnnotationLog as L; [L(url) for url in sys.argv[1:]]"
    urls = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(12)]
    started = [subprocess.Popen([sys.executable, "-c", code, *urls]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]


def test_labels_of_a_file_are_one_entry_on_every_database(database):
    log = AnnotationLog(database)
    log.append("d", "tag", "odd", ["a"], who="ann")
    log.append("d", "import labels", "labels.csv", ["a", "b"], labels=[2, 0], who="ann")
    assert state(log)["a"] == {"tags": ["odd"], "curated_label": 2, "excluded": False}
    assert state(log)["b"]["curated_label"] == 0
    assert log.undo("d", who="ann", actions=("tag",)).value == "odd"
    assert log.undo("d", who="ann").action == "import labels"
    assert state(log) == {}
    with pytest.raises(ValueError, match="import labels"):
        log.append("d", "tag", "odd", ["a"], labels=[1], who="ann")
