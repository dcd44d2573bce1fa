"""Stored sets and views: what stands after saving, removing, renaming and undoing, in both databases."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.data.annotation_log import AnnotationLog
from avhcurate.data.history_log import history_page, history_values
from avhcurate.data.saved_log import SavedLog
from avhcurate.errors import CurateError


@pytest.fixture
def log(database):
    return SavedLog(database)


def held(log, dataset="d"):
    """Members of every set."""
    return {entry.name: log.members(entry.id).to_pylist() for entry in log.standing(dataset, "set")}


def test_a_set_is_what_was_saved_last_under_its_name_and_undo_brings_the_one_before_back(log):
    log.save_set("d", "hard", ["b", "a", "b"], who="ann")
    second = log.save_set("d", "hard", ["c"], who="bob")
    log.save_set("other", "hard", ["x"], who="ann")
    assert held(log) == {"hard": ["c"]}
    log.undo("d", second, who="ann")
    assert held(log) == {"hard": ["a", "b"]}
    (entry,) = log.standing("d", "set")
    assert (entry.n, entry.who) == (2, "ann")
    with pytest.raises(CurateError, match="undone already"):
        log.undo("d", second, who="bob")
    with pytest.raises(CurateError, match="there is none"):
        log.undo("other", entry.id, who="bob")


def test_removal_is_an_entry_that_undo_takes_back(log):
    log.save_set("d", "hard", ["a"], who="ann")
    removal = log.remove("d", "set", "hard", who="bob")
    assert held(log) == {}
    with pytest.raises(CurateError, match="no set 'hard'; it has none"):
        log.remove("d", "set", "hard", who="bob")
    log.undo("d", removal, who="bob")
    assert held(log) == {"hard": ["a"]}


def test_a_renamed_set_keeps_its_members_and_a_view_its_address(log):
    log.save_set("d", "hard", ["a", "b"], who="ann")
    log.save_view("d", "wrong", "gallery", {"mistakes": "1", "where": "avh > 0.1"}, who="ann")
    log.rename("d", "set", "hard", "harder", who="bob")
    log.rename("d", "view", "wrong", "errors", who="bob")
    assert held(log) == {"harder": ["a", "b"]}
    (view,) = log.standing("d", "view")
    assert (view.name, view.page, view.query) == ("errors", "gallery", {"mistakes": "1", "where": "avh > 0.1"})


def test_the_version_changes_with_every_entry(log):
    versions = [log.version("d")]
    first = log.save_set("d", "s", ["a"], who="ann")
    versions.append(log.version("d"))
    log.undo("d", first, who="ann")
    versions.append(log.version("d"))
    assert len(set(versions)) == 3
    assert log.version("other") == 0


def test_a_large_set_comes_back_whole(log):
    paths = [f"train/class {number % 7}/ünïcode\n{number:06}.jpg" for number in range(200_000)]
    entry = log.save_set("d", "large", paths, who="ann")
    assert log.members(entry).to_pylist() == sorted(paths)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["save", "remove", "undo"]), st.sampled_from("xy"), st.integers(1, 9)), max_size=12
    )
)
def test_what_stands_equals_a_replay_without_what_was_undone(tmp_path_factory, steps):
    log = SavedLog(f"sqlite:///{tmp_path_factory.mktemp('saved') / 'a.db'}")
    written, undone = [], set()
    for action, name, number in steps:
        if action == "save":
            written.append((log.save_set("d", name, [str(number)], who="ann"), action, name, [str(number)]))
        elif action == "remove" and name in held(log):
            written.append((log.remove("d", "set", name, who="ann"), action, name, None))
        elif action == "undo" and (left := [entry for entry, *_ in written if entry not in undone]):
            undone.add(left[number % len(left)])
            log.undo("d", left[number % len(left)], who="ann")
    replay = {}
    for entry, action, name, paths in written:
        if entry in undone:
            continue
        if action == "save":
            replay[name] = paths
        else:
            replay.pop(name, None)
    assert held(log) == replay


def test_a_set_is_whole_or_absent_when_its_writer_is_killed(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    script = textwrap.dedent(
        f"""
        from avhcurate.data.saved_log import SavedLog
        log, number = SavedLog({url!r}), 0
        while True:
            print(number, flush=True)
            log.save_set("d", f"s{{number}}", [str(i) for i in range(2000)], who="ann")
            number += 1
        """
    )
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    started = [int(writer.stdout.readline()) for _ in range(8)][-1]
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    found = held(SavedLog(url))
    assert len(found) >= started
    assert all(len(members) == 2000 for members in found.values())


# --- both logs in one list -----------------------------------------------------------------------------------


@pytest.fixture
def history(database):
    """A history with two people's entries, one undone by the other."""
    labels, saved = AnnotationLog(database), SavedLog(database)
    first = labels.append("d", "tag", "odd", ["a", "b"], who="ann")
    labels.append("d", "exclude", None, ["b"], who="bob")
    saved.save_set("d", "hard", ["a", "b", "c"], who="ann")
    saved.save_view("d", "mine", "gallery", {}, who="bob")
    labels.revert("d", first, who="bob")
    labels.append("other", "tag", "odd", ["a"], who="zoe")
    return labels.engine


def test_history_lists_both_logs_newest_first_and_says_who_undid(history):
    found, count = history_page(history, "d")
    assert [(entry.who, entry.action, entry.value, entry.samples) for entry in found] == [
        ("bob", "save view", "mine", 0),
        ("ann", "save set", "hard", 3),
        ("bob", "exclude", None, 1),
        ("ann", "tag", "odd", 2),
    ]
    assert count == 4
    assert [entry.undone_by for entry in found] == [None, None, None, "bob"]
    assert all(entry.at.tzinfo for entry in found)
    assert len({entry.key for entry in found}) == 4


def test_history_is_narrowed_by_person_action_and_sample_and_comes_in_pages(history):
    assert [entry.value for entry in history_page(history, "d", who="ann")[0]] == ["hard", "odd"]
    assert [entry.who for entry in history_page(history, "d", actions=["save set", "tag"])[0]] == ["ann", "ann"]
    assert [entry.action for entry in history_page(history, "d", path="b")[0]] == ["exclude", "tag"]
    assert [entry.action for entry in history_page(history, "d", path="a")[0]] == ["tag"]
    whole = history_page(history, "d")[0]
    paged = [history_page(history, "d", offset=place, limit=1) for place in range(4)]
    assert [entry for (entry,), _ in paged] == whole
    assert {count for _, count in paged} == {4}
    assert history_values(history, "d", "who") == ["ann", "bob"]
    assert history_values(history, "d", "action") == ["exclude", "save set", "save view", "tag"]


def test_an_older_entry_is_reverted_and_later_ones_about_the_same_thing_stand(database):
    log = AnnotationLog(database)
    old = log.append("d", "relabel", "1", ["a", "b"], who="ann")
    log.append("d", "relabel", "2", ["a"], who="bob")
    log.revert("d", old, who="bob")
    labels = log.state("d").set_index("path")["curated_label"]
    assert labels["a"] == 2
    assert "b" not in labels.index  # the label of the source again
    with pytest.raises(CurateError, match="undone already"):
        log.revert("d", old, who="ann")
