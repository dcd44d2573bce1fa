"""What differs between label files and datasets: every planted difference is found, and no other."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import avhcurate
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.label_lists import read_label_list
from avhcurate.datasets.export.service import export
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.saved.label_diff_service import compare_labels, labels_of
from tests.fakes.datasets import bare_dataset
from tests.fakes.sources import write_csv

PATHS = ["cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png"]


@pytest.fixture
def pets(workspace):
    bare_dataset(workspace, PATHS, [0, 0, 1, None], ["cat", "dog"], "pets")
    return open_dataset(workspace, "pets")


def listed(each):
    if isinstance(each, OpenDataset):
        return labels_of(each.decisions, each.run)
    return read_label_list(each)


def compared(first, second):
    """Return the differences of two files, frames or tables."""
    return compare_labels(*map(listed, (first, second)))


def found(diff):
    return sorted(diff.changes[["kind", "path", "before", "after"]].itertuples(index=False, name=None))


def test_differences_are_those_that_a_loop_finds():
    rng = np.random.default_rng(0)
    sides = []
    for _ in range(2):
        chosen = rng.permutation(500)[:400]
        labels = rng.choice(["", "cat", "dog", "cow"], 400)
        excluded = rng.random(400) < 0.2
        sides.append(pd.DataFrame({"path": [f"{n}.png" for n in chosen], "label": labels, "excluded": excluded}))
    diff = compared(*sides)
    before, after = ({row.path: (row.label, row.excluded) for row in side.itertuples()} for side in sides)
    expected = []
    for path in {*before, *after}:
        then, was_out = before.get(path, ("", True))
        now, is_out = after.get(path, ("", True))
        if path not in before:
            expected += [("added", path, "", now)] * (not is_out)
        elif path not in after:
            expected += [("removed", path, then, "")] * (not was_out)
        else:
            expected += [("relabelled", path, then, now)] * (then != now)
            expected += [("excluded", path, "", "")] * (is_out and not was_out)
            expected += [("included", path, "", "")] * (was_out and not is_out)
    assert found(diff) == sorted(expected)
    assert diff.counts == Counter(kind for kind, *_ in expected)
    pairs = Counter((then, now) for kind, _, then, now in expected if kind == "relabelled")
    assert {(row.before, row.after): row.n for row in diff.pairs.itertuples()} == pairs
    assert diff.pairs["n"].is_monotonic_decreasing
    in_use = Counter(label for label, out in after.values() if not out)
    assert diff.classes.set_index("class")["after"].to_dict() == in_use
    assert compared(sides[0], sides[0]).changes.empty


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_differs_from_its_dataset_by_what_was_decided_since(pets, tmp_path, format):
    annotate(pets.decisions, [1], "exclude")
    file = tmp_path / f"labels.{format}"
    export(pets, Filters(), format, file)
    assert compared(file, pets).changes.empty
    annotate(pets.decisions, [3], "relabel", 0)
    annotate(pets.decisions, [0], "exclude")
    annotate(pets.decisions, [1], "include")
    assert found(compared(file, pets)) == [
        ("added", "cat/b.png", "", "cat"),
        ("excluded", "cat/a.png", "", ""),
        ("relabelled", "dog/d.png", "", "cat"),
    ]
    assert compared(pets, file).counts == {"removed": 1, "relabelled": 1, "included": 1}


@pytest.mark.parametrize(
    "text",
    [
        "path,label\ncat/a.png,1\ncat/b.png,0\ndog/c.png,1\ndog/d.png,\n",
        "path,label\n./cat\\a.png,1.0\ncat/b.png,0.0\ndog/c.png,1.0\ndog/d.png,\n",
        "id,label_name\n0,dog\n1,cat\n2,dog\n3,\n",
        "file_name,class\n/data/pets/cat/a.png,dog\n/data/pets/cat/b.png,cat\n/data/pets/dog/c.png,dog\n/x/dog/d.png,\n",
        "path,excluded,label\ncat/a.png,false,dog\ncat/a.png,false,dog\ncat/b.png,false,cat\ndog/c.png,false,dog\n"
        "dog/d.png,false,\n,false,cow\n",
    ],
    ids=["indices", "slashes", "ids", "another root", "twice and nameless"],
)
def test_labels_of_any_form_are_compared_by_name(pets, tmp_path, text):
    (change,) = found(compared(pets, write_csv(tmp_path / "labels.csv", text)))
    assert (change[0], change[2:]) == ("relabelled", ("cat", "dog"))


def test_of_coco_the_categories_are_the_labels(pets, tmp_path):
    labelled = {"cat/a.png": 7, "cat/b.png": 3, "dog/c.png": 7}
    content = {
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
        "images": [{"id": number, "file_name": path} for number, path in enumerate(PATHS)],
        "annotations": [{"image_id": PATHS.index(path), "category_id": id} for path, id in labelled.items()],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    assert found(compared(pets, tmp_path / "coco.json")) == [("relabelled", "cat/a.png", "cat", "dog")]


def test_a_notebook_compares_with_a_table_a_file_another_dataset_and_a_moment(pets, workspace, tmp_path):
    dataset = avhcurate.open(workspace.root, "pets")
    dataset.relabel([2], "cat")
    frame = pd.DataFrame({"path": PATHS, "label": [0, 0, 1, None]})
    features = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}
    rows = pa.table({"path": PATHS, "label": [0, 0, 1, None]}, metadata={"huggingface": json.dumps(features)})
    pq.write_table(rows, tmp_path / "declared.parquet")
    bare_dataset(workspace, PATHS, [0, 0, 1, None], ["cat", "dog"], "later")
    later = avhcurate.open(workspace.root, "later")
    for other in (frame, tmp_path / "declared.parquet", later, "pets@0"):
        changes = dataset.diff(other)
        assert changes.values.tolist() == [["relabelled", "dog/c.png", "dog", "cat"]]
        assert changes.attrs["counts"] == {"relabelled": 1}
    assert found(compared(tmp_path / "declared.parquet", frame.assign(label=["cat", "cat", "cat", None]))) == [
        ("relabelled", "dog/c.png", "dog", "cat")
    ]


def test_what_cannot_be_compared_is_refused(pets, tmp_path):
    refused = {
        "path,label\na,cat\na,dog\n": "gives 1 images different labels, first 'a'",
        "name,label\na,cat\n": "has no column path or id",
        "path,note\na,cat\n": "has no column label",
        "id,label_name\n0,cat\n": "do not both name images",
    }
    other = write_csv(tmp_path / "other.csv", "path,label\na,horse\n")
    for text, words in refused.items():
        with pytest.raises(CurateError, match=words):
            compared(write_csv(tmp_path / "labels.csv", text), other)
    with pytest.raises(CurateError, match=r"numbers.csv has class indices, other.csv class names"):
        compared(other, write_csv(tmp_path / "numbers.csv", "path,label\na,3\n"))
    (tmp_path / "cut.jsonl").write_text('{"path": "a", "label": "cat"}\n{"path": "b", "lab')
    with pytest.raises(CurateError, match="cannot be read as JSON lines"):
        compared(tmp_path / "cut.jsonl", other)


def test_the_verb_compares_files_datasets_and_moments(cli, pets, workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(workspace.root))
    monkeypatch.chdir(tmp_path)
    bare_dataset(workspace, [*PATHS[1:], "new.png"], [1, 1, None, 0], ["cat", "dog"], "later")
    annotate(pets.decisions, [2], "relabel", 0)
    ended = cli("diff", "pets", "later", "--out", "changes.csv")
    assert "pets to later: images added 1, images removed 1, label changed 2" in ended.out
    assert ended.out.split()[-3:] == ["cat", "dog", "2"]
    rows = pd.read_csv("changes.csv", keep_default_na=False)
    assert sorted(rows.itertuples(index=False, name=None)) == [
        ("added", "new.png", "", "cat"),
        ("relabelled", "cat/b.png", "cat", "dog"),
        ("relabelled", "dog/c.png", "cat", "dog"),
        ("removed", "cat/a.png", "cat", ""),
    ]
    result = json.loads(cli("diff", "pets@0", "later", "--json").out)
    assert (result["before"], result["counts"]["relabelled"]) == ("pets@0", 1)
    assert result["pairs"] == [{"before": "cat", "after": "dog", "n": 1}]
    cli("export", "pets", "--out", "labels.jsonl")
    cli("export", "later", "--out", "labels.csv")
    assert json.loads(cli("diff", "labels.jsonl", "labels.csv", "--json").out)["counts"]["relabelled"] == 2
    for wrong in (("labels.csv",), ("pets", "nowhere.csv"), ("pets", "changes.csv")):
        assert cli("diff", *wrong).code == 2
