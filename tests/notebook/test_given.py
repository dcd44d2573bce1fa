"""Sources in memory become datasets: the same pixels, labels and names, once, and mistakes are said."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import avhcurate
from avhcurate.errors import CurateError
from avhcurate.workspace.images.decoding import decode

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)


@pytest.fixture
def make(tmp_path):
    """`avhcurate.dataset("pets", ...)` in an empty workspace."""

    def dataset(*given, **options):
        return avhcurate.dataset("pets", *given, workspace=tmp_path / "space", **options)

    return dataset


def pixels(pets, id):
    return decode(pets.opened.dataset.images().read_one(id))


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def test_arrays_keep_every_pixel_and_label(make):
    pets = make(IMAGES, ["cat", "dog", None, "cat"])
    assert [(pixels(pets, id) == IMAGES[id]).all() for id in range(4)] == [True] * 4
    assert pets.table["label_name"].fillna("").tolist() == ["cat", "dog", "", "cat"]
    assert pets.table["path"].tolist() == ["0.png", "1.png", "2.png", "3.png"]


def test_grey_images_with_numbers_as_labels_and_without_any(make):
    pets = make(IMAGES[..., 0], np.array([2, 0, -1, 1]), classes=["a", "b", "c"])
    assert (pixels(pets, 1) == IMAGES[1, :, :, :1]).all()
    assert pets.table["label"].fillna(-1).tolist() == [2, 0, -1, 1]
    assert pets.classes == ["a", "b", "c"]
    assert make(IMAGES[..., :1], force=True).table["label"].isna().all()


def test_a_cell_that_is_run_again_imports_nothing_and_a_change_asks(make):
    pets = make(IMAGES, [0, 1, 0, 1])
    pets.tag([2], "odd")
    record = pets.opened.dataset.root / "dataset.json"
    before = record.stat().st_mtime_ns
    make(IMAGES, [0, 1, 0, 1])
    assert record.stat().st_mtime_ns == before
    with pytest.raises(CurateError, match="the source has changed"):
        make(IMAGES[::-1], [0, 1, 0, 1])
    again = make(IMAGES[::-1], [0, 1, 0, 1], force=True)
    assert again.frame("list_contains(tags, 'odd')")["path"].tolist() == ["2.png"]


def test_a_frame_of_paths_starts_at_its_root_and_keeps_its_columns(make, tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png(IMAGES[number]))
    frame = pd.DataFrame({"file": ["0.png", "1.png"], "kind": ["b", "a"], "weight": [1.5, 2.5]}, index=[7, 3])
    pets = make(frame, root=tmp_path, label_column="kind")
    assert (pixels(pets, 1) == IMAGES[1]).all()
    assert pets.table[["label_name", "weight"]].values.tolist() == [["b", 1.5], ["a", 2.5]]


@pytest.mark.parametrize("form", [png, Image.fromarray, np.asarray, lambda array: {"bytes": png(array), "path": None}])
def test_a_frame_of_images_in_every_form(make, form):
    frame = pd.DataFrame({"photo": [form(image) for image in IMAGES], "label": list("baab"), "age": [1, 2, 3, 4]})
    pets = make(frame.set_index(pd.Index(list("wxyz"))))
    assert (pixels(pets, 3) == IMAGES[3]).all()
    assert pets.table[["path", "label_name", "age"]].values.tolist()[0] == ["w", "b", 1]


def test_classes_of_a_categorical_column_keep_their_order(make):
    labels = pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"])
    pets = make(pd.DataFrame({"path": ["x", "y", "z"], "image": [png(image) for image in IMAGES[:3]], "label": labels}))
    assert pets.classes == ["c", "b", "a"]
    assert pets.table[["path", "label"]].values.tolist() == [["x", 1], ["y", 2], ["z", 1]]


def test_a_hugging_face_dataset_keeps_class_names_and_splits(make):
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])})
    rows = {"image": [{"bytes": png(image), "path": None} for image in IMAGES], "label": [0, 1, 1, 0]}
    whole = datasets.Dataset.from_dict(rows, features=kinds)
    pets = make(whole)
    assert pets.table["label_name"].tolist() == ["dog", "cat", "cat", "dog"]
    assert (pixels(pets, 2) == IMAGES[2]).all()
    assert make(whole).table.equals(pets.table)
    parts = datasets.DatasetDict({"train": whole.select([3, 0]), "test": whole.select([1])})
    split = make(parts, force=True)
    assert sorted(split.table["split"].tolist()) == ["test", "train", "train"]
    assert (pixels(split, int(split.frame("split = 'test'")["id"].iloc[0])) == IMAGES[1]).all()
    with pytest.raises(CurateError, match="without streaming"):
        make(whole.to_iterable_dataset())


def test_images_of_a_hugging_face_dataset_that_lie_in_files_are_taken_in(make, tmp_path):
    datasets = pytest.importorskip("datasets")
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, image in zip(files, IMAGES, strict=False):
        file.write_bytes(png(image))
    rows = {"image": [str(file) for file in files], "label": [0, 1, 0]}
    whole = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    pets = make(whole.select([2, 0]))
    files[2].unlink()
    assert [(pixels(pets, id) == IMAGES[of]).all() for id, of in enumerate([2, 0])] == [True, True]
    assert pets.table["path"].tolist() == ["2.png", "0.png"]
    with pytest.raises(CurateError, match=r"no longer exists.*2\.png"):
        make(whole, force=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((IMAGES / 255,), "float64. Give uint8"),
        ((IMAGES.transpose(0, 3, 1, 2),), "channels last"),
        ((IMAGES, [0, 1]), "labels have shape (2,) for 4 images"),
        ((IMAGES, [0, 1, 0.5, 1]), "not class indices"),
        (([IMAGES[0], "a.png"],), "An image is <U5"),
        ((7,), "cannot be made of a int"),
        ((pd.DataFrame({"path": []}),), "There are no images"),
        ((pd.DataFrame({"path": ["a.png"]}), [1]), "labels go with an array"),
        ((pd.DataFrame({"a": [b"x"], "b": [b"y"]}),), "Several columns hold images: a, b"),
        (("no/such/folder",), "no/such/folder does not exist"),
    ],
)
def test_what_cannot_be_a_dataset_is_said(make, given, message):
    with pytest.raises(CurateError, match=re.escape(message)):
        make(*given)


def test_a_column_that_is_not_there_and_a_bad_name_are_said(make, tmp_path):
    with pytest.raises(CurateError, match=r"no column 'kind'\. Its columns are path"):
        make(pd.DataFrame({"path": ["a.png"]}), label_column="kind")
    with pytest.raises(CurateError, match="not a valid name"):
        avhcurate.dataset("../pets", IMAGES, workspace=tmp_path / "space")
    assert not (tmp_path / "space" / "datasets").exists()
