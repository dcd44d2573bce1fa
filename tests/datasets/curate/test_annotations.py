"""Curation through the table: what is decided shows at once, for ids and for filters; undo takes it back; keys."""

import threading

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.curate.keys import key_actions, keys_of, read_keys, save_keys
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError, NothingFound
from avhcurate.features.annotate.task_pool import task_pool
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused
from tests.fakes.workspaces import by


def test_a_tag_on_a_filter_reaches_all_that_match_and_no_other(own_digits):
    filters = Filters(classes=(3,), splits=("test",))
    count = annotate(own_digits.decisions, filters, "tag", "threes")
    frame = own_digits.samples.frame()
    tagged = frame["tags"].map(lambda tags: "threes" in tags)
    assert count == tagged.sum() > 0
    assert (tagged == ((frame["label"] == 3) & (frame["split"] == "test"))).all()
    assert own_digits.samples.count(Filters(tags=("threes",))) == count


def test_a_relabel_changes_the_curated_label_only_and_undo_brings_it_back(own_digits):
    before = own_digits.samples.sample(5)
    annotate(own_digits.decisions, [5], "relabel", (before["label"] + 1) % 10)
    after = own_digits.samples.sample(5)
    assert after["label"] == before["label"]
    assert after["curated_label"] == (before["label"] + 1) % 10
    assert after["curated_label_name"] == own_digits.samples.classes[after["curated_label"]]
    assert undo(own_digits.decisions).action == "relabel"
    assert own_digits.samples.sample(5) == before


def test_an_excluded_sample_leaves_the_view_until_it_is_included_again(own_digits):
    everything = own_digits.samples.count(Filters())
    annotate(own_digits.decisions, [7, 8], "exclude")
    assert own_digits.samples.count(Filters()) == everything - 2
    assert own_digits.samples.frame(Filters(excluded=True))["id"].tolist() == [7, 8]
    annotate(own_digits.decisions, Filters(excluded=True), "include")
    assert own_digits.samples.count(Filters()) == everything


@pytest.mark.parametrize(
    ("action", "value", "message"),
    [
        ("tag", "", "1 to 60"),
        ("tag", "x" * 61, "1 to 60"),
        ("tag", "a\nb", "printable"),
        ("relabel", 10, "0 to 9"),
        ("relabel", "cat", "Unknown class"),
        ("relabel", 1.5, "Unknown class"),
        ("delete", None, "Choose from"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(own_digits, action, value, message):
    with pytest.raises(CurateError, match=message):
        annotate(own_digits.decisions, [1], action, value)
    assert history_entries(own_digits.decisions) == ([], 0)


def test_an_empty_choice_and_unknown_ids_are_refused(own_digits):
    with refused(kind=NothingFound):
        annotate(own_digits.decisions, Filters(where="avh > 5"), "exclude")
    assert annotate(own_digits.decisions, list(np.array([3, 5, 3])), "tag", "odd") == 2, "an id given twice counts once"
    with refused(999999, 0, 1796):
        annotate(own_digits.decisions, [999_999], "exclude")


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("tag", "Pat's {odd}"),
        ("untag", "never"),
        ("relabel", 4),
        ("relabel", None),
        ("exclude", "blurred"),
        ("include", None),
    ],
)
def test_what_is_so_already_writes_nothing(own_digits, action, value):
    annotate(own_digits.decisions, [5], action, value)
    before = history_entries(own_digits.decisions)[1]
    assert annotate(own_digits.decisions, [5], action, value) == 0
    assert history_entries(own_digits.decisions)[1] == before <= 1
    if before:
        assert annotate(own_digits.decisions, [5, 6], action, value) == 1, "the other is changed"


def test_a_table_that_takes_over_what_changed_is_one_that_is_opened_anew(own_digits, own_demo_root):
    for ids, action, value in ([0, 1], "tag", "odd"), ([1, 2], "relabel", 4), ([2, 3], "exclude", "blurred"):
        annotate(own_digits.decisions, ids, action, value)
    undo(own_digits.decisions)
    annotate(own_digits.decisions, [1], "untag", "odd")
    opened = open_dataset(Workspace(own_demo_root), "digits")
    pd.testing.assert_frame_equal(own_digits.samples.frame(None), opened.samples.frame(None))
    assert opened.samples.frame(None)["excluded"].sum() == 0


def test_annotators_are_asked_anew_after_an_exclusion_and_not_after_a_tag(own_digits):
    pool = task_pool(own_digits.votes, own_digits.run)
    annotate(own_digits.decisions, [0], "tag", "odd")
    assert task_pool(own_digits.votes, own_digits.run) is pool
    annotate(own_digits.decisions, [0], "exclude")
    assert not task_pool(own_digits.votes, own_digits.run).eligible[0]
    undo(own_digits.decisions)
    assert task_pool(own_digits.votes, own_digits.run).eligible[0]


def test_a_refresh_that_began_earlier_never_undoes_a_later_one(own_digits, monkeypatch):
    state, entered, go_on = own_digits.decisions.log.state, threading.Event(), threading.Event()

    def slow_state(*asked, **more):
        found = state(*asked, **more)
        if threading.current_thread() is slow:
            entered.set()
            go_on.wait(5)
        return found

    monkeypatch.setattr(own_digits.decisions.log, "state", slow_state)
    by("me", own_digits.decisions.log.annotate, "digits", "tag", "one", own_digits.samples.paths_of([0]))
    slow = threading.Thread(target=own_digits.refresh)
    slow.start()
    entered.wait(5)
    by("me", own_digits.decisions.log.annotate, "digits", "tag", "two", own_digits.samples.paths_of([0]))
    fast = threading.Thread(target=own_digits.refresh)
    fast.start()
    fast.join(0.3)
    go_on.set()
    slow.join()
    fast.join()
    assert own_digits.samples.sample(0)["tags"] == ["one", "two"]


def test_keys_are_kept_with_the_dataset_and_stand_in_its_history(own_demo_root):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    assert keys_of(opened.decisions)["3"] == "label 3"
    save_keys(opened.decisions, "a label 8\nb tag out of focus")
    again = open_dataset(Workspace(own_demo_root), "digits")
    assert keys_of(again.decisions) == {"a": "label 8", "b": "tag out of focus"}
    assert key_actions(keys_of(again.decisions), again.samples.classes)["a"] == {
        "action": "relabel",
        "value": 8,
        "text": "label 8",
    }
    (newest, *_), _ = history_entries(again.decisions)
    assert newest.action == "save keys"


def test_a_class_that_is_gone_has_no_key():
    assert list(key_actions({"1": "label cat", "2": "label dog", "b": "tag odd"}, ["dog"])) == ["2", "b"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1", "is not valid"),
        ("1 paint cat", "is not valid"),
        ("12 label cat", "cannot be a key"),
        ("t tag odd", "not TLXU"),
        ("1 label cow", "Unknown class cow"),
        ("a tag b\nA tag c", "once"),
    ],
)
def test_a_line_that_means_nothing_is_refused(line, says):
    with pytest.raises(CurateError, match=says):
        read_keys(line, ["cat"])
