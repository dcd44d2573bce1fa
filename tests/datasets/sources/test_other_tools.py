"""Datasets as other tools write them: read where they can be, and refused with the tool's name where not."""

import json

import numpy as np
import pytest

from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.export.service import export
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from tests.fakes.sources import grey_images, greys, rows, write_csv

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><job><labels>
<label><name>dog</name><attributes><attribute><name>age</name></attribute></attributes></label>
<label><name>cat</name></label></labels></job></meta>
<image id="0" name="a.png" subset="train" width="4" height="3"><tag label="cat" source="manual"></tag></image>
<image id="1" name="b.png" subset="val" width="4" height="3"><box label="dog" xtl="0" ytl="0" xbr="1" ybr="1"/></image>
<image id="2" name="c.png"><tag label="cat"/><tag label="dog"/></image>
</annotations>"""


def choice(name, **more):
    return {"result": [{"type": "choices", "from_name": "what", "value": {"choices": [name]}}], **more}


def fiftyone_labels(root):
    grey_images(root, "data/a.png", "data/sub/b.png", "data/c.png")
    content = {"classes": ["dog", "cat"], "labels": {"a": 1, "sub/b": {"label": 0, "confidence": 0.5}, "c": None}}
    write_csv(root / "labels.json", json.dumps(content))
    return [("a.png", None, "cat"), ("sub/b.png", None, "dog"), ("c.png", None, None)], ["dog", "cat"]


def fiftyone_samples(root):
    grey_images(root, "data/a.png", "data/b.png", "data/c.png")
    said = {"_cls": "Classification", "label": "cat", "confidence": 0.9}
    samples = [
        {"filepath": "data/a.png", "tags": ["train", "odd"], "ground_truth": said, "model": said},
        {"filepath": "data/b.png", "tags": ["test"], "ground_truth": said | {"label": "dog"}},
        {"filepath": "data/c.png", "tags": ["test"], "model": said},
    ]
    write_csv(root / "samples.json", json.dumps({"samples": samples}))
    write_csv(root / "metadata.json", json.dumps({"default_classes": ["cat", "dog", "eel"]}))
    return [("data/a.png", "train", "cat"), ("data/b.png", "test", "dog"), ("data/c.png", "test", None)], [
        *("cat", "dog", "eel")
    ]


def label_studio(root):
    grey_images(root, "images/a.png", "images/b.png", "images/c.png")
    tasks = [
        {"data": {"image": "/data/local-files/?d=images/a.png"}, "annotations": [choice("cat"), choice("cat")]},
        {"data": {"image": "/data/local-files/?d=images/b.png"}, "annotations": [choice("cat"), choice("dog")]},
        {"data": {"image": "/data/upload/3/0a1b2c3d-images/c.png"}, "annotations": [choice("dog", ground_truth=True)]},
    ]
    tasks[2]["data"]["image"] = "images/c.png"
    write_csv(root / "tasks.json", json.dumps(tasks))
    return [("images/a.png", None, "cat"), ("images/b.png", None, None), ("images/c.png", None, "dog")], ["cat", "dog"]


def cvat(root):
    grey_images(root, "images/a.png", "images/b.png", "images/c.png")
    write_csv(root / "annotations.xml", CVAT)
    return [("a.png", "train", "cat"), ("b.png", "val", "dog"), ("c.png", None, None)], ["dog", "cat"]


def coco(root):
    grey_images(root, "train2017/a.png", "train2017/b.png", "val2017/c.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": 9}, {"image_id": 2, "category_id": 7}],
    }
    write_csv(root / "annotations" / "instances_train2017.json", json.dumps(content))
    return [("a.png", None, "dog"), ("b.png", None, "cat")], ["cat", "dog"]


def roboflow(root):
    grey_images(root, "train/a.png", "valid/b.png")
    for split, name in (("train", "a.png"), ("valid", "b.png")):
        content = {
            "images": [{"id": 1, "file_name": name}],
            "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
            "annotations": [{"image_id": 1, "category_id": split == "valid"}],
        }
        write_csv(root / split / "_annotations.coco.json", json.dumps(content))
    return [("train/a.png", "train", "cat"), ("valid/b.png", "valid", "dog")], ["cat", "dog"]


def image_folder(root):
    grey_images(root, "test/cat/a.png", "train/cat/b.png", "train/dog/c.png")
    return [
        (f"{part}/{name}.png", part[: part.index("/")], part[part.index("/") + 1 :])
        for part, name in (("test/cat", "a"), ("train/cat", "b"), ("train/dog", "c"))
    ], ["cat", "dog"]


def yolo(root):
    expected = image_folder(root)
    write_csv(root / "data.yaml", "names: [cat, dog]")
    write_csv(root / "classes.txt", "cat\ndog\n")
    return expected


def metadata_lines(root):
    grey_images(root, "train/a.png", "train/b.png", "test/c.png")
    write_csv(
        root / "train" / "metadata.jsonl",
        '{"file_name": "a.png", "label": "cat", "light": 1}\n{"file_name": "b.png", "label": "dog"}\n',
    )
    write_csv(root / "test" / "metadata.jsonl", '{"file_name": "c.png", "label": "cat", "light": 0.5}\n')
    return [("test/c.png", "test", "cat"), ("train/a.png", "train", "cat"), ("train/b.png", "train", "dog")], [
        *("cat", "dog")
    ]


def metadata_of_folders(root):
    grey_images(root, "cat/a.png", "dog/b.png")
    write_csv(root / "metadata.csv", "file_name,light\ncat/a.png,1\ndog/b.png,2\n")
    return [("cat/a.png", None, "cat"), ("dog/b.png", None, "dog")], ["cat", "dog"]


def arrays(root):
    grey_images(root, "images/a.png", "images/b.png")
    np.save(root / "labels.npy", np.array([1, 0]))
    np.save(root / "pred_probs.npy", np.full((2, 2), 0.5))
    write_csv(root / "samples.csv", "path,light\nimages/a.png,3\nimages/b.png,4\n")
    return [("images/a.png", None, "1"), ("images/b.png", None, "0")], ["0", "1"]


def records(root):
    grey_images(root, "images/a.png", "images/b.png")
    write_csv(root / "list.json", json.dumps([{"image": "images/a.png", "label": "x"}, {"image": "images/b.png"}]))
    return [("images/a.png", None, "x"), ("images/b.png", None, None)], ["x"]


@pytest.mark.parametrize(
    "write",
    [
        *(fiftyone_labels, fiftyone_samples, label_studio, cvat, coco, roboflow, image_folder, yolo, metadata_lines),
        *(metadata_of_folders, arrays),
    ],
)
def test_a_folder_of_another_tool_has_its_labels_classes_and_splits(write, workspace, tmp_path):
    want, classes = write(tmp_path / "there")
    folder = import_dataset(workspace, "d", tmp_path / "there")
    assert sorted(rows(folder)) == sorted(want)
    assert folder.record.classes == classes
    assert len(set(greys(folder))) == len(want)  # each is another image, and can be read


@pytest.mark.parametrize(
    ("write", "file"),
    [
        (fiftyone_labels, "labels.json"),
        (fiftyone_samples, "samples.json"),
        (label_studio, "tasks.json"),
        (cvat, "annotations.xml"),
        (coco, "annotations/instances_train2017.json"),
        (metadata_lines, "train/metadata.jsonl"),
        (records, "list.json"),
    ],
)
def test_the_file_alone_is_named_too(write, file, workspace, tmp_path):
    want, _ = write(tmp_path / "there")
    folder = import_dataset(workspace, "d", tmp_path / "there" / file)
    labels = {path.rpartition("/")[2]: label for path, _, label in want}
    assert {path.rpartition("/")[2]: label for path, _, label in rows(folder)}.items() <= labels.items()
    assert len(set(greys(folder))) == folder.record.samples


def test_tags_of_fiftyone_are_entries_of_the_history(workspace, tmp_path):
    fiftyone_samples(tmp_path / "there")
    import_dataset(workspace, "d", tmp_path / "there")
    assert [list(tags) for tags in open_dataset(workspace, "d").samples.frame()["tags"]] == [["odd"], [], []]


def test_cvats_labels_come_back_to_a_dataset(workspace, tmp_path):
    grey_images(tmp_path / "mine", "cat/b.png", "dog/a.png")
    import_dataset(workspace, "mine", tmp_path / "mine")
    opened = open_dataset(workspace, "mine")
    counts = relabel_from(opened.decisions, write_csv(tmp_path / "annotations.xml", CVAT))
    assert counts.applied == 2
    assert opened.samples.frame()["curated_label_name"].tolist() == ["dog", "cat"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"images": [{"id": 1}]}', ("COCO", "`categories`")),
        ("a.json", '{"images": [{"id": 1}], "categories": [], "annotations": []}', ("COCO", "`file_name`")),
        ("a.json", '{"labels": {"a": 3}, "classes": ["x"]}', ("FiftyOne", "without a class")),
        ("a.json", '{"samples": [{"tags": []}]}', ("FiftyOne", "`filepath`")),
        ("a.json", '[{"annotations": 3}]', ("Label Studio", "another form")),
        ("a.json", '{"hits": {}, "assignments": {}}', ("votes", "ImageNetV2")),
        ("a.json", "{", ("is not JSON",)),
        ("a.jsonl", '{"path": "a.png"}\n[1]\n', ("Line 2", "not a JSON object")),
        ("a.xml", "<annotations><track/></annotations>", ("CVAT for video",)),
        ("a.xml", "<data/>", ("<data>", "CVAT")),
        ("a.xml", "<annotations>", ("is not XML",)),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', ("document type",)),
        ("a.xml", "<annotations><image/></annotations>", ("CVAT", "`name`")),
    ],
)
def test_a_file_that_cannot_be_read_says_whose_it_is_and_why(name, text, said, workspace, tmp_path):
    with pytest.raises(CurateError) as refused:
        import_dataset(workspace, "d", write_csv(tmp_path / name, text))
    assert all(word in str(refused.value) for word in said), refused.value
    for word in ("Error(", "Traceback", "NoneType", "indices"):
        assert word not in str(refused.value)


def test_one_folder_of_images_beside_json_is_never_the_only_class(workspace, tmp_path):
    grey_images(tmp_path / "there", "images/a.png", "images/b.png")
    write_csv(tmp_path / "there" / "labels.json", '{"version": 3}')
    with pytest.raises(CurateError, match=r"files of labels that cannot be read.*labels\.json"):
        import_dataset(workspace, "d", tmp_path / "there")
    write_csv(tmp_path / "boxes" / "labels" / "a.txt", "0 .5 .5 1 1")
    grey_images(tmp_path / "boxes", "images/a.png")
    with pytest.raises(CurateError, match="YOLO for detection"):
        import_dataset(workspace, "d", tmp_path / "boxes")
    grey_images(tmp_path / "arrays", "images/a.png")
    np.save(tmp_path / "arrays" / "labels.npy", np.array([0]))
    with pytest.raises(CurateError, match="name no image"):
        import_dataset(workspace, "d", tmp_path / "arrays")


@pytest.mark.parametrize("format", ["coco", "fiftyone", "label-studio"])
def test_an_export_without_its_manifest_is_read_as_that_of_the_tool(format, workspace, tmp_path):
    grey_images(tmp_path / "mine", "cat/a.png", "dog/b.png")
    import_dataset(workspace, "mine", tmp_path / "mine")
    export(open_dataset(workspace, "mine"), Filters(), format, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    folder = import_dataset(workspace, "d", tmp_path / "out")
    assert [label for _, _, label in rows(folder)] == ["cat", "dog"]
    assert greys(folder) == [0, 1]


def test_a_file_is_a_file_and_a_folder_is_not_called_like_one(workspace, tmp_path):
    grey_images(tmp_path / "mine", "cat/a.png", "dog/b.png")
    import_dataset(workspace, "mine", tmp_path / "mine")
    opened = open_dataset(workspace, "mine")
    for format in ("coco", "label-studio"):
        export(opened, Filters(), format, tmp_path / f"{format}.json")
        assert (tmp_path / f"{format}.json").is_file()
    images = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert [image["file_name"] for image in images] == [str(tmp_path / "mine" / n) for n in ("cat/a.png", "dog/b.png")]
    with pytest.raises(CurateError, match="looks like a file"):
        export(opened, Filters(), "fiftyone", tmp_path / "labels.json")


def test_images_within_other_files_have_no_place_in_a_json(digits, tmp_path):
    with pytest.raises(CurateError, match="no file of its own"):
        export(digits, Filters(where="id < 3"), "coco", tmp_path / "coco.json")
    assert not (tmp_path / "coco.json").exists()


def test_what_was_changed_in_a_folder_comes_back_as_decisions(workspace, tmp_path):
    """An image that was moved to another class, one that was added, one that was removed."""
    grey_images(tmp_path / "mine", "cat/a.png", "cat/c.png", "dog/b.png")
    import_dataset(workspace, "mine", tmp_path / "mine")
    out = tmp_path / "out"
    export(open_dataset(workspace, "mine"), Filters(), "folder", out)
    (out / "cat" / "a-0.png").rename(out / "dog" / "a-0.png")
    (out / "cat" / "c-1.png").unlink()
    grey_images(out, "eel/new.png")
    import_dataset(workspace, "d", out)
    frame = open_dataset(workspace, "d").samples.frame().sort_values("path")
    assert frame[["path", "label_name", "curated_label_name"]].to_numpy().tolist() == [
        ["cat/a.png", "cat", "dog"],
        ["dog/b.png", "dog", "dog"],
        ["eel/new.png", "eel", "eel"],
    ]
