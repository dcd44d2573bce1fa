"""Labels corrected elsewhere: matched, checked before anything is written, and one entry of the history."""

import json
import re

import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import describe, history_entries
from avhcurate.datasets.curate.label_files import LabelCounts, relabel_from
from avhcurate.datasets.export.service import export
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from tests.fakes.datasets import bare_dataset
from tests.fakes.sources import write_csv


@pytest.fixture
def pets(workspace):
    """Four samples of two classes, one without a label."""
    bare_dataset(workspace, ["cat/a.png", "cat/b.png", "dog/c.png", "d.png"], [0, 0, 1, None], ["cat", "dog"], "pets")
    return open_dataset(workspace, "pets")


def curated(opened):
    return opened.samples.frame()["curated_label_name"].tolist()


def test_a_table_relabels_what_differs_and_counts_the_rest(pets, tmp_path):
    file = write_csv(
        tmp_path / "labels.csv", "path,label_name\ncat/a.png,dog\nb.png,cat\nd.png,cat\nelse.png,cat\ndog/c.png,horse\n"
    )
    assert relabel_from(pets.decisions, file) == LabelCounts(
        applied=2, same=1, unknown_path=1, unknown_class=1, by_part=1
    )
    assert curated(pets) == ["dog", "cat", "dog", "cat"]
    assert pets.samples.frame()["label"].fillna(-1).tolist() == [0, 0, 1, -1]


def test_one_undo_takes_the_whole_file_back_and_history_names_it(pets, tmp_path):
    annotate(pets.decisions, [1], "relabel", 1)
    relabel_from(pets.decisions, write_csv(tmp_path / "labels.csv", "id,label\n0,1\n1,0\n2,0\n"))
    assert curated(pets)[:3] == ["dog", "cat", "cat"]
    (entry, _), count = history_entries(pets.decisions)
    assert (describe(entry, pets.samples.classes), entry.samples, count) == ("took labels from labels.csv", 3, 2)
    assert undo(pets.decisions).samples == 3
    assert curated(pets)[:3] == ["cat", "dog", "dog"]


@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl"])
def test_an_export_of_ours_brings_its_curated_labels_into_another_workspace(pets, tmp_path, format):
    annotate(pets.decisions, [0], "relabel", 1)
    export(pets, Filters(), format, tmp_path / f"labels.{format}")
    undo(pets.decisions)
    assert relabel_from(pets.decisions, tmp_path / f"labels.{format}").applied == 1
    assert curated(pets)[0] == "dog"


def test_coco_gives_an_image_the_category_of_its_annotations(pets, tmp_path):
    content = {
        "images": [
            {"id": 7, "file_name": "images/a.png"},
            {"id": 8, "file_name": "images\\c.png"},
            {"id": 9, "file_name": "images/z"},
            {"id": 10, "file_name": "images/renamed-1.png", "attributes": {"path": "cat/b.png"}},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": 8, "category_id": 1},
            *({"image_id": image, "category_id": 2} for image in (7, 7, 8, 9, 10)),
        ],
    }
    file = write_csv(tmp_path / "coco.json", json.dumps(content))
    assert relabel_from(pets.decisions, file) == LabelCounts(
        applied=2, same=0, unknown_path=1, unknown_class=0, several_classes=1, by_part=1
    )
    assert curated(pets)[:3] == ["dog", "dog", "dog"]


def pets_called(workspace, classes):
    """A sample of each class, in a folder called so."""
    bare_dataset(workspace, [f"{name}/{name}.png" for name in classes], range(len(classes)), classes, "called")
    return open_dataset(workspace, "called")


@pytest.mark.parametrize(
    ("classes", "content", "becomes"),
    [
        (["01", "02", "03"], "path,label_name\n03/03.png,01\n", "01"),
        (["01", "02", "03"], "path,label\n03/03.png,02\n", "02"),
        (["1", "10", "2"], "path,label\n2/2.png,1\n", "1"),
        (["1", "10", "2"], "path,label\n2/2.png,1.0\n1/1.png,\n", "1"),
        (["1", "10", "2"], "path,label,label_name\n2/2.png,1,10\n", "10"),
        (["nan", "roti", "soup"], "path,label\nsoup/soup.png,nan\nroti/roti.png,\n", "nan"),
        (["-soup", "=1+1", "roti"], "path,label_name\nroti/roti.png,'=1+1\n", "=1+1"),
    ],
)
def test_a_number_is_an_index_only_where_it_is_not_a_name(workspace, tmp_path, classes, content, becomes):
    opened = pets_called(workspace, classes)
    assert relabel_from(opened.decisions, write_csv(tmp_path / "labels.csv", content)).applied == 1
    assert curated(opened)[2] == becomes


@pytest.mark.parametrize("classes", [["01", "02", "10"], ["1", "2", "10"], ["=1+1", "@home", "nan"]])
def test_an_export_of_ours_is_taken_as_it_was_whatever_its_classes_are_called(workspace, tmp_path, classes):
    opened = pets_called(workspace, classes)
    annotate(opened.decisions, [0], "relabel", 2)
    export(opened, Filters(), "csv", tmp_path / "labels.csv")
    undo(opened.decisions)
    counts = relabel_from(opened.decisions, tmp_path / "labels.csv")
    assert counts == LabelCounts(applied=1, same=2, unknown_path=0, unknown_class=0)
    assert curated(opened) == [classes[2], *classes[1:]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\nx.png,cat\n", "No row names an image"),
        ("path,label\na.png,cat\ncat/a.png,dog\n", "different labels, first 'cat/a.png'"),
        ("path,label\na.png,horse\n", "changes nothing: 0 applied"),
        ("path,label\na.png,2\n", "1 unknown class"),
        ("path,label\na.png,0.5\n", "neither class names nor whole numbers"),
        ("path,mood\na.png,good\n", "has no column label or label_name"),
        ("name,label\na.png,cat\n", "has no column path or id"),
        ("path,label\n", "No row names an image"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_and_nothing_is_written(pets, tmp_path, content, message):
    with pytest.raises(CurateError, match=re.escape(message)):
        relabel_from(pets.decisions, write_csv(tmp_path / "labels.csv", content))
    assert history_entries(pets.decisions)[1] == 0


def choice_of(label, **more):
    return {"result": [{"type": "choices", "value": {"choices": [label]}}], **more}


@pytest.mark.parametrize(
    "content",
    [
        # FiftyOne: as `dataset.export` writes a copy of our export, or a dataset of their own with details
        {"classes": ["dog", "cat"], "labels": {"a-0": 0, "c-2": 1, "b-1": None, "d-3": [0, 1]}},
        {"classes": None, "labels": {"a": {"label": "dog", "confidence": 0.5}, "dog/c": "cat", "d": ["dog", "cat"]}},
        # Label Studio: the ground truth goes before what annotators chose
        [
            {
                "data": {"image": "/data/upload/1/0a1b2c3d-a.png"},
                "annotations": [choice_of("cat"), choice_of("dog", ground_truth=True)],
            },
            {"data": {"path": "dog/c.png"}, "annotations": [choice_of("cat"), choice_of("dog", was_cancelled=True)]},
            {"data": {"path": "d.png"}, "annotations": [choice_of("cat"), choice_of("dog")]},
        ],
    ],
)
def test_labels_come_back_from_json_of_other_tools(pets, tmp_path, content):
    assert relabel_from(pets.decisions, write_csv(tmp_path / "labels.json", json.dumps(content))).applied == 2
    assert curated(pets)[:3] == ["dog", "cat", "cat"]
    assert pets.samples.frame()["curated_label"].isna().tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    "content", ["[1, 2]", "{}", '{"labels": {"a": {}}}', '{"images": [], "annotations": [{}], "categories": []}']
)
def test_json_that_is_not_coco_is_refused(pets, tmp_path, content):
    with pytest.raises(
        CurateError, match=r"is not a COCO file|is a file of (COCO|FiftyOne) that cannot be read: an entry has no"
    ):
        relabel_from(pets.decisions, write_csv(tmp_path / "coco.json", content))
