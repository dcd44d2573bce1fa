"""Votes before labels: the classes that are voted for, the label that votes come to, and what becomes of them later."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avhcurate.datasets.curate import annotations
from avhcurate.datasets.curate import classes as changes
from avhcurate.datasets.curate.locked import lock
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.features.annotate.vote_files import log_votes
from avhcurate.people.attach import attach_votes
from avhcurate.people.votes_first import came_without_labels, label_by_votes
from avhcurate.workspace.data.event import CLASS_ACTIONS
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused

#: What three labelers say of four images: the votes of the third tie, two of three win the others.
ANSWERS = {
    "ann": ["cat", "dog", "cat", "dog"],
    "bob": ["cat", "dog", "dog", "dog"],
    "cai": ["dog", "dog", "eel", "cat"],
}
#: Their majority, counted by hand.
WANT = {"0.png": "cat", "1.png": "dog", "2.png": None, "3.png": "dog"}


@pytest.fixture
def pets(tmp_path):
    """A workspace with a dataset `pets` of four photos in no class folder, and a file of each labeler."""
    (tmp_path / "photos").mkdir()
    for number in range(4):
        Image.new("RGB", (9, 9), (60 * number, 80, 120)).save(tmp_path / "photos" / f"{number}.png")
    for who, labels in ANSWERS.items():
        pd.DataFrame({"path": list(WANT), "label": labels}).to_csv(tmp_path / f"{who}.csv", index=False)
    workspace = Workspace(tmp_path / "workspace")
    import_dataset(workspace, "pets", tmp_path / "photos")
    return workspace


def files(tmp_path):
    return [tmp_path / f"{who}.csv" for who in ANSWERS]


def labels(workspace):
    rows = open_dataset(workspace, "pets").samples.frame(columns=["path", "label_name"])
    names = rows["label_name"].astype(object).where(rows["label_name"].notna(), None)
    return dict(zip(rows["path"], names, strict=True))


def test_three_files_of_labelers_label_images_by_their_majority(pets, tmp_path):
    record = attach_votes(pets, "pets", files(tmp_path))
    dataset = pets.dataset("pets")
    assert dataset.record.classes == ["cat", "dog", "eel"]
    assert labels(pets) == WANT
    assert record.total == 12
    assert "majority of 12 votes" in dataset.record.labels_by
    assert "1 are tied" in record.messages[-1]
    rows = open_dataset(pets, "pets").samples.frame(columns=["hsf", "votes", "curated_label_name"])
    np.testing.assert_allclose(rows["hsf"].to_numpy(float, na_value=np.nan), [2 / 3, 1, np.nan, 2 / 3])
    assert rows["curated_label_name"].tolist()[0] == "cat"


def test_a_column_a_labeler_says_the_same_as_a_file_each(pets, tmp_path):
    wide = pd.DataFrame({"path": list(WANT)} | ANSWERS | {"notes": ["dark", None, "far away", None]})
    wide.to_csv(tmp_path / "wide.csv", index=False)
    assert attach_votes(pets, "pets", tmp_path / "wide.csv").total == 12
    assert pets.dataset("pets").record.classes == ["cat", "dog", "eel"]  # what is noted is no class
    assert labels(pets) == WANT


def test_one_file_named_twice_is_one_labeler(pets, tmp_path):
    assert attach_votes(pets, "pets", [tmp_path / "ann.csv", tmp_path / "ann.csv"]).total == 4


def test_classes_that_are_named_are_all_that_may_be_voted_for(pets, tmp_path):
    with refused("eel", "cat"):
        attach_votes(pets, "pets", files(tmp_path), classes=["cat", "dog"])
    assert pets.dataset("pets").record.classes == []  # nothing was written
    attach_votes(pets, "pets", files(tmp_path), classes=["owl", "eel", "dog", "cat"])
    assert pets.dataset("pets").record.classes == ["owl", "eel", "dog", "cat"]
    assert labels(pets) == WANT


def test_classes_named_at_import_are_those_of_the_votes(pets, tmp_path):
    import_dataset(pets, "closed", tmp_path / "photos", classes=["cat", "dog"])
    with refused("eel"):
        attach_votes(pets, "closed", files(tmp_path))
    attach_votes(pets, "closed", files(tmp_path)[:1])
    assert pets.dataset("closed").record.classes == ["cat", "dog"]
    assert pets.dataset("closed").labels().tolist() == [0, 1, 0, 1]


def test_counts_need_the_names_of_their_columns(pets, tmp_path):
    np.save(tmp_path / "counts.npy", np.array([[2, 1], [0, 3], [1, 1], [1, 2]]))
    with refused("counts", Option("classes", "cat,dog")):
        attach_votes(pets, "pets", tmp_path / "counts.npy")
    attach_votes(pets, "pets", tmp_path / "counts.npy", classes=["cat", "dog"])
    assert labels(pets) == WANT


def test_other_votes_label_anew(pets, tmp_path):
    attach_votes(pets, "pets", files(tmp_path))
    pd.DataFrame({"path": ["0.png", "2.png"], "label": ["fox", "eel"]}).to_csv(tmp_path / "dan.csv", index=False)
    attach_votes(pets, "pets", tmp_path / "dan.csv")
    assert labels(pets) == {"0.png": "fox", "1.png": None, "2.png": "eel", "3.png": None}
    before = pets.dataset("pets").labelled
    attach_votes(pets, "pets", tmp_path / "dan.csv")
    assert pets.dataset("pets").labelled == before  # the same votes are no new entry


def test_undo_takes_labels_and_then_classes_back(pets, tmp_path):
    attach_votes(pets, "pets", files(tmp_path))
    opened = open_dataset(pets, "pets")
    annotations.undo(opened.decisions, actions=CLASS_ACTIONS)
    assert set(labels(pets).values()) == {None}
    assert pets.dataset("pets").record.labels_by == ""
    assert label_by_votes(pets.dataset("pets")).labelled == 3  # the votes are there
    assert labels(pets) == WANT
    for _ in range(2):
        annotations.undo(open_dataset(pets, "pets").decisions, actions=CLASS_ACTIONS)
    opened = open_dataset(pets, "pets")
    assert opened.dataset.record.classes == []
    assert opened.samples.votes is None
    attach_votes(pets, "pets", files(tmp_path))
    assert labels(pets) == WANT


def test_answers_in_the_log_label_as_attached_ones_do(pets, tmp_path):
    logged = log_votes(open_dataset(pets, "pets").votes, *files(tmp_path))
    assert (logged.answers, logged.annotators) == (12, 3)
    assert labels(pets) == WANT
    again = log_votes(open_dataset(pets, "pets").votes, *files(tmp_path))
    assert (again.answers, again.known) == (0, 12)


def test_a_rename_a_merge_and_a_retired_class_hold_for_labels_and_later_votes(pets, tmp_path):
    attach_votes(pets, "pets", files(tmp_path))
    opened = open_dataset(pets, "pets")
    changes.rename(opened.decisions, pets, "cat", "kitten")
    changes.retire(open_dataset(pets, "pets").decisions, pets, "eel")
    assert labels(pets) == {"0.png": "kitten", "1.png": "dog", "2.png": None, "3.png": "dog"}
    attach_votes(pets, "pets", files(tmp_path))  # that name the classes as they were
    assert pets.dataset("pets").record.classes == ["kitten", "dog"]
    assert labels(pets)["0.png"] == "kitten"
    changes.merge(open_dataset(pets, "pets").decisions, pets, ["kitten", "dog"], "pet")
    assert {name for name in labels(pets).values() if name} == {"pet"}


def test_labels_by_votes_outlive_another_import(pets, tmp_path):
    attach_votes(pets, "pets", files(tmp_path))
    Image.new("RGB", (9, 9), "red").save(tmp_path / "photos" / "4.png")
    import_dataset(pets, "pets", tmp_path / "photos", force=True)
    assert labels(pets) == WANT | {"4.png": None}
    assert open_dataset(pets, "pets").samples.votes.total == 12


def test_an_import_takes_the_votes_with_it_or_leaves_nothing(pets, tmp_path):
    import_dataset(pets, "whole", tmp_path / "photos", votes=[str(file) for file in files(tmp_path)])
    assert pets.dataset("whole").labels().tolist() == [0, 1, -1, 1]
    pd.DataFrame({"path": ["gone.png"], "label": ["cat"]}).to_csv(tmp_path / "other.csv", index=False)
    with refused("image", "path"):
        import_dataset(pets, "none", tmp_path / "photos", votes=tmp_path / "other.csv")
    assert "none" not in pets.names()


def test_a_dataset_that_came_with_labels_keeps_them(pets, tmp_path):
    for name, photo in (("cat", 0), ("dog", 1)):
        (tmp_path / "given" / name).mkdir(parents=True)
        (tmp_path / "photos" / f"{photo}.png").rename(tmp_path / "given" / name / f"{photo}.png")
    folder = import_dataset(pets, "given", tmp_path / "given")
    assert not came_without_labels(folder)
    pd.DataFrame({"path": ["0.png"], "label": ["eel"]}).to_csv(tmp_path / "eve.csv", index=False)
    with refused("eel"):
        attach_votes(pets, "given", tmp_path / "eve.csv")
    pd.DataFrame({"path": ["0.png"], "label": ["dog"]}).to_csv(tmp_path / "dan.csv", index=False)
    attach_votes(pets, "given", tmp_path / "dan.csv")
    assert pets.dataset("given").labels().tolist() == [0, 1]
    assert label_by_votes(pets.dataset("given")) is None


def test_labels_by_votes_can_be_locked_and_filtered(pets, tmp_path):
    attach_votes(pets, "pets", files(tmp_path))
    opened = open_dataset(pets, "pets")
    lock(opened.decisions, None, where="label_name = 'dog'")
    assert pets.dataset("pets").labels_to_learn().tolist() == [0, -1, -1, -1]
    assert opened.samples.order(Filters(where="label_name = 'cat'")).tolist() == [0]


def test_a_table_without_answers_says_what_to_call_them(pets, tmp_path):
    pd.DataFrame({"path": list(WANT), "width": [1.5] * 4}).to_csv(tmp_path / "sizes.csv", index=False)
    with pytest.raises(CurateError, match="each labeler a column"):
        attach_votes(pets, "pets", tmp_path / "sizes.csv")
