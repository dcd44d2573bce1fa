"""Rows and samples: what a row says of its image decides, and a row about another image is never joined to one."""

import pandas as pd
import pyarrow as pa
import pytest

from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_votes
from avhcurate.people.row_matching import match_paths, match_rows
from tests.fakes.datasets import bare_dataset

PATHS = ["bird/0.png", "bird/1.png", "fish/2.png", "train/cat/3.png", "test/cat/3.png", "=x/4.png", "5.png"]


def column(*values):
    return pa.chunked_array([pa.array(values, pa.string())])


@pytest.mark.parametrize(
    ("value", "id", "whole"),
    [
        ("bird/1.png", 1, True),
        ("./bird/1.png", 1, True),
        ("/bird\\1.png", 1, True),
        ("  bird/1.png ", 1, True),
        ("'=x/4.png", 5, True),
        ("/home/me/photos/bird/1.png", 1, False),
        ("C:\\photos\\bird\\1.png", 1, False),
        ("https://host/photos/bird/1.png", 1, False),
        ("/new/place/train/cat/3.png", 3, False),
        ("any/where/5.png", 6, False),
        ("2.png", 2, False),
        ("fish/1.png", -1, None),
        ("redbird/1.png", -1, None),
        ("photos/fish/1.png", -1, None),
        ("cat/3.png", -1, None),
        ("3.png", -1, None),
        ("bird", -1, None),
        ("x" + "/y" * 5000 + "/bird/1.png", 1, False),
        ("", -1, None),
        (None, -1, None),
    ],
)
def test_a_path_is_a_samples_where_one_ends_as_the_other_is(value, id, whole):
    ids, by_whole = match_paths(column(value, "bird/0.png"), column(*PATHS))
    assert ids.tolist() == [id, 0]
    assert whole is None or by_whole[0] == whole


def test_the_longest_end_decides():
    paths = column("cat/1.png", "1.png")
    assert match_paths(column("photos/cat/1.png", "photos/dog/1.png"), paths)[0].tolist() == [0, 1]


def test_file_names_without_ending_are_names_also_as_padded_digits():
    paths = column("a/0001.png", "a/0010.png", "a/2000.png", "b/n01_2.png")
    assert match_paths(column("0001", "2000", "n01_2", "0002"), paths)[0].tolist() == [0, 2, 3, -1]
    assert match_paths(column("2000", "10"), paths)[0].tolist() == [-1, -1]


@pytest.fixture
def animals(workspace):
    """Part of a dataset whose classes number their images alike."""
    bare_dataset(workspace, ["bird/0001.png", "bird/0002.png", "fish/0004.png"], [0, 0, 1], ["bird", "fish"], "animals")
    return open_dataset(workspace, "animals")


def test_corrections_of_the_whole_dataset_leave_a_part_of_it_as_it_is(animals, tmp_path):
    (tmp_path / "c.csv").write_text("path,label_name\nfish/0001.png,fish\nfish/0004.png,bird\n")
    counts = relabel_from(animals.decisions, tmp_path / "c.csv")
    assert (counts.applied, counts.unknown_path) == (1, 1)
    assert animals.samples.frame()["curated_label_name"].tolist() == ["bird", "bird", "bird"]


def test_corrections_from_another_root_are_taken_and_counted_as_such(animals):
    table = pd.DataFrame({"path": ["D:\\animals\\bird\\0001.png", "0004.png"], "label_name": ["fish", "bird"]})
    counts = relabel_from(animals.decisions, table)
    assert (counts.applied, counts.by_part) == (2, 2)


def test_votes_on_another_image_of_the_same_file_name_are_left_out(workspace, animals, tmp_path):
    (tmp_path / "v.csv").write_text("path,label\nfish/0001.png,fish\nfish/0004.png,fish\n")
    record = attach_votes(workspace, "animals", tmp_path / "v.csv")
    assert record.samples == 1
    assert record.messages == ["1 of 2 rows match no sample and were left out (column 'path': fish/0001.png)"]


def test_the_first_column_that_a_row_fills_in_names_its_sample():
    paths = column("bird/0001.png", "fish/0004.png")
    columns = {"path": column("fish/0001.png", "fish/0004.png", None), "file": column("0001.png", "x.png", "0001.png")}
    assert match_rows(columns, paths).ids.tolist() == [-1, 1, 0]


IDS = {"id": pa.chunked_array([[1, 2]]), "path": column("elsewhere/x1.png", "elsewhere/x2.png")}


def test_ids_beside_paths_from_elsewhere_are_those_of_another_dataset(animals):
    paths = column("bird/0001.png", "bird/0002.png", "fish/0004.png")
    with pytest.raises(CurateError, match=r"Column 'path' has elsewhere/x1.png.*Leave path out if id"):
        match_rows(IDS, paths)
    with pytest.raises(CurateError, match="No row names a sample"):
        relabel_from(animals.decisions, pd.DataFrame({"id": [1], "path": ["elsewhere/x1.png"], "label": ["fish"]}))
    assert match_rows(IDS | {"path": column(None, "")}, paths).ids.tolist() == [1, 2]
    assert match_rows({"cifar10_test_set_idx": IDS["id"], "path": IDS["path"]}, paths).ids.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("title", "values", "ids"),
    [
        ("id", ["0", "2"], [0, 2]),
        ("sample", ["0", "2.0"], [0, 2]),
        ("sample", ["0", ""], [0, -1]),
        ("sample", ["7", "2"], [1, 2]),
        ("id", ["7", "2"], [-1, 2]),
    ],
)
def test_numbers_are_ids_unless_a_sample_is_called_so(title, values, ids):
    assert match_rows({title: column(*values)}, column("a.png", "7", "2")).ids.tolist() == ids


def test_padded_numbers_are_no_ids():
    with pytest.raises(CurateError, match=r"Column 'sample' has 0001, 0002, a path of the dataset is 'a.png'"):
        match_rows({"sample": column("0001", "0002")}, column("a.png", "b.png", "c.png"))
