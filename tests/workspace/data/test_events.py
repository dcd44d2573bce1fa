"""The log of events: what counts after any order of events and undos, by whom, and across processes."""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.errors import CurateError
from avhcurate.workspace.data import people
from avhcurate.workspace.data.event_folds import fold
from avhcurate.workspace.data.events import EventLog, _write
from tests.fakes.killing import lines_until_killed
from tests.fakes.refusals import refused
from tests.fakes.workspaces import by


@pytest.fixture
def log(tmp_path):
    return EventLog(f"sqlite:///{tmp_path / 'annotations.db'}")


CLASSES = ("0", "1", "2", "3")


def state(log, dataset="d"):
    return by_path(log.state(dataset, CLASSES))


def by_path(state):
    return {row.pop("path"): row for row in state.to_pylist()}


def test_the_last_entry_about_a_thing_stands(log):
    by("ann", log.annotate, "d", "tag", "blurred", ["a", "b"])
    by("ann", log.annotate, "d", "tag", "odd", ["a"])
    by("bob", log.annotate, "d", "untag", "blurred", ["b"])
    by("ann", log.annotate, "d", "relabel", "3", ["a"])
    by("ann", log.annotate, "d", "exclude", None, ["b"])
    assert state(log) == {
        "a": {"tags": ["blurred", "odd"], "curated_label": 3, "excluded": False},
        "b": {"tags": [], "curated_label": None, "excluded": True},
    }
    assert state(log, "another") == {}


def test_undo_takes_back_ones_own_newest_entry_and_nothing_twice(log):
    by("ann", log.annotate, "d", "tag", "first", ["a"])
    by("bob", log.annotate, "d", "tag", "second", ["a"])
    by("ann", log.annotate, "d", "tag", "third", ["a"])
    assert by("ann", log.undo, "d").value == "third"
    assert by("ann", log.undo, "d").value == "first"
    assert by("ann", log.undo, "d") is None
    assert state(log)["a"]["tags"] == ["second"]
    assert (log.last("d").who, log.last("e")) == ("bob", None)


def test_without_a_login_undo_takes_back_what_the_same_window_did(log, monkeypatch):
    def in_window(name):
        monkeypatch.setattr(people, "_who", lambda: replace(people.OPERATOR, window=name))

    for window, tag in ("one", "first"), ("two", "second"), ("", "shell"):
        in_window(window)
        log.annotate("d", "tag", tag, ["a"])
    assert [log.news("d", since=2, window=name) for name in ("", "one")] == [False, True]
    in_window("one")
    assert (log.undo("d").value, log.undo("d")) == ("first", None)
    in_window("")
    assert (log.undo("d").value, log.undo("d")) == ("shell", None)
    assert state(log)["a"]["tags"] == ["second"]


ENTRY = st.tuples(
    st.sampled_from(["tag", "untag", "relabel", "exclude", "include"]), st.sampled_from("123"), st.sampled_from("ab")
)
ENTRIES = st.lists(ENTRY, max_size=25)


@settings(max_examples=25, deadline=None)
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
    assert by_path(fold(entries, CLASSES)) == replay


def test_the_reason_of_an_exclusion_is_a_tag_until_the_sample_is_included_again(log):
    by("ann", log.annotate, "d", "tag", "dark", ["a"])
    for reason in ("blurred", "dark"):
        by("ann", log.annotate, "d", "exclude", reason, ["a", "b"])
    assert state(log)["a"]["tags"] == ["blurred", "dark"]
    before = log.version("d")
    by("bob", log.annotate, "d", "include", None, ["a"])
    assert state(log)["a"] == {"tags": ["dark"], "curated_label": None, "excluded": False}
    assert state(log)["b"]["tags"] == ["blurred", "dark"], "it is excluded still"
    assert log.state("d", CLASSES, since=before)["tags"].to_pylist() == [["dark"]]
    by("bob", log.undo, "d")
    assert state(log)["a"] == {"tags": ["blurred", "dark"], "curated_label": None, "excluded": True}


@settings(max_examples=10, deadline=None)
@given(steps=st.lists(st.one_of(st.none(), ENTRY), min_size=1, max_size=12), looks=st.integers(1, 4))
def test_what_changed_since_leads_to_the_whole_state(steps, looks):
    """None is an undo. A reader that looks now and then, and takes over what changed, has what a new one reads."""
    with tempfile.TemporaryDirectory() as folder:
        log, kept, read = EventLog(f"sqlite:///{folder}/annotations.db"), {}, 0
        for number, step in enumerate(steps):
            if step is None:
                by("ann", log.undo, "d")
            else:
                action, value, path = step
                by("ann", log.annotate, "d", action, value, [path, "of all"])
            if number % looks == 0 or number == len(steps) - 1:
                kept |= by_path(log.state("d", CLASSES, since=read))
                read = log.version("d")
        nothing = {"tags": [], "curated_label": None, "excluded": False}
        same = [{path: one for path, one in states.items() if one != nothing} for states in (kept, state(log))]
        assert same[0] == same[1]
        log.engine.dispose()


def test_writers_at_once_lose_nothing(log):
    def write(who):
        for i in range(20):
            by(who, log.annotate, "d", "tag", f"{who}-{i}", ["a"])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, [f"w{i}" for i in range(6)]))
    assert len(state(log)["a"]["tags"]) == 120


def test_entries_become_visible_in_the_order_of_their_numbers(database):
    log = EventLog(database)
    later = threading.Thread(target=log.annotate, args=("d", "tag", "b", ["a"]))
    with log.engine.begin() as connection:
        _write(connection, "d", "tag", "a")
        later.start()
        later.join(0.3)
        assert later.is_alive(), "it waits for the entry before it"
        assert state(log) == {}
    later.join(20)
    assert state(log)["a"]["tags"] == ["b"]


def test_an_acknowledged_entry_outlives_kill_9(tmp_path):
    url = f"sqlite:///{tmp_path / 'annotations.db'}"
    script = f"""
        from avhcurate.workspace.data.events import EventLog
        log = EventLog({url!r})
        for i in range(100000):
            log.annotate("d", "tag", str(i), ["a"])
            print(i, flush=True)
    """
    acknowledged = lines_until_killed(script, 30)
    kept = state(EventLog(url))["a"]["tags"]
    assert set(acknowledged) <= set(kept)
    assert len(kept) <= len(acknowledged) + 1


def test_labels_of_a_file_are_one_entry_on_every_database(database):
    log = EventLog(database)
    by("ann", log.annotate, "d", "tag", "odd", ["a"])
    by("ann", log.annotate, "d", "import labels", "labels.csv", ["a", "b"], labels=["2", "0"])
    assert state(log)["a"] == {"tags": ["odd"], "curated_label": 2, "excluded": False}
    assert state(log)["b"]["curated_label"] == 0
    assert by("ann", log.undo, "d", actions=("tag",)).value == "odd"
    assert by("ann", log.undo, "d").action == "import labels"
    assert state(log) == {}


def held(log, dataset="d"):
    """Members of every set."""
    return {entry.name: log.members(entry.id).to_pylist() for entry in log.saved(dataset, "set")}


def test_a_set_is_what_was_saved_last_under_its_name_and_undo_brings_the_one_before_back(database):
    log = EventLog(database)
    by("ann", log.save_set, "d", "hard", ["b", "a", "b"])
    second = by("bob", log.save_set, "d", "hard", ["c"])
    by("ann", log.save_set, "other", "hard", ["x"])
    assert held(log) == {"hard": ["c"]}
    by("ann", log.revert, "d", second)
    assert held(log) == {"hard": ["a", "b"]}
    (entry,) = log.saved("d", "set")
    assert (entry.samples, entry.who) == (2, "ann")
    with pytest.raises(CurateError, match="already undone"):
        by("bob", log.revert, "d", second)
    with pytest.raises(CurateError, match="does not exist"):
        by("bob", log.revert, "other", entry.id)


def test_removal_is_an_entry_that_undo_takes_back(database):
    log = EventLog(database)
    by("ann", log.save_set, "d", "hard", ["a"])
    removal = by("bob", log.remove, "d", "set", "hard")
    assert held(log) == {}
    with refused("'hard'"):
        by("bob", log.remove, "d", "set", "hard")
    by("bob", log.revert, "d", removal)
    assert held(log) == {"hard": ["a"]}


def test_a_large_set_comes_back_whole(database):
    log = EventLog(database)
    paths = [f"train/class {number % 7}/ünïcode\n{number:06}.jpg" for number in range(20_000)]
    entry = by("ann", log.save_set, "d", "large", paths)
    assert log.members(entry).to_pylist() == sorted(paths)


def test_a_set_is_whole_or_absent_when_its_writer_is_killed(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    script = f"""
        from avhcurate.workspace.data.events import EventLog
        log, number = EventLog({url!r}), 0
        while True:
            print(number, flush=True)
            log.save_set("d", f"s{{number}}", [str(i) for i in range(2000)])
            number += 1
    """
    started = lines_until_killed(script, 8)
    found = held(EventLog(url))
    assert len(found) >= len(started) - 1
    assert all(len(members) == 2000 for members in found.values())


@pytest.fixture
def history(database):
    """A history with two people's entries, one undone by the other."""
    log = EventLog(database)
    first = by("ann", log.annotate, "d", "tag", "odd", ["a", "b"])
    by("bob", log.annotate, "d", "exclude", None, ["b"])
    by("ann", log.save_set, "d", "hard", ["a", "b", "c"])
    by("bob", log.write, "d", "save view", "mine", details=["gallery", {}])
    by("bob", log.revert, "d", first)
    by("zoe", log.annotate, "other", "tag", "odd", ["a"])
    return log


def test_history_lists_events_newest_first_and_says_who_undid(history):
    found, count = history.history("d")
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
    assert [entry.value for entry in history.history("d", who="ann")[0]] == ["hard", "odd"]
    assert [entry.who for entry in history.history("d", actions=["save set", "tag"])[0]] == ["ann", "ann"]
    assert [entry.action for entry in history.history("d", path="b")[0]] == ["exclude", "tag"]
    assert [entry.action for entry in history.history("d", path="a")[0]] == ["tag"]
    whole = history.history("d")[0]
    paged = [history.history("d", offset=place, limit=1) for place in range(4)]
    assert [entry for (entry,), _ in paged] == whole
    assert {count for _, count in paged} == {4}
    assert history.history_values("d", "who") == ["ann", "bob"]
    assert history.history_values("d", "action") == ["exclude", "save set", "save view", "tag"]


def test_an_older_entry_is_reverted_and_later_ones_about_the_same_thing_stand(database):
    log = EventLog(database)
    old = by("ann", log.annotate, "d", "relabel", "1", ["a", "b"])
    by("bob", log.annotate, "d", "relabel", "2", ["a"])
    by("bob", log.revert, "d", old)
    assert state(log)["a"]["curated_label"] == 2
    assert "b" not in state(log)  # the label of the source again
    with pytest.raises(CurateError, match="already undone"):
        by("ann", log.revert, "d", old)
