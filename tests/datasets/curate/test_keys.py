"""Keys for classes and tags: sensible from the start, written by people, kept with the dataset."""

import pytest

from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.curate.keys import key_actions, keys_of, read_keys, save_keys
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace


def test_keys_are_kept_with_the_dataset_and_stand_in_its_history(own_demo_root):
    table = open_table(Workspace(own_demo_root), "digits")
    assert keys_of(table)["3"] == "label 3"
    save_keys(table, "a label 8\nb tag out of focus")
    again = open_table(Workspace(own_demo_root), "digits")
    assert keys_of(again) == {"a": "label 8", "b": "tag out of focus"}
    assert key_actions(keys_of(again), again.classes)["a"] == {"action": "relabel", "value": 8, "text": "label 8"}
    (newest, *_), _ = history_entries(again)
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
