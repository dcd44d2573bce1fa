"""Whatever went out comes back: every format, out, in, compared; and once more out of what came in."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.export.service import FORMATS, export
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from tests.fakes.datasets import write_images

EVERY = Filters(excluded=None)
#: What must come back of each sample, by its path.
KEPT = ["path", "split", "label_name", "curated_label_name", "tags", "excluded"]
OWN = ["light", "shots", "place", "sharp", "taken", "label_of_mine"]
FORMS = sorted(FORMATS.keys() & {"csv", "jsonl", "parquet", "folder", "yolo", "webdataset", "hf", "fiftyone"})
FORMS += ["label-studio", "cleanlab", "coco", "coco.json", "label-studio.json"]
#: What a format has no place for: samples without a label, and the own pixels of a file that is no image.
LABELLED_ONLY = ("yolo", "cleanlab")
#: Formats whose columns are in a CSV.
OF_TABLES = ("csv", "folder", "yolo", "cleanlab")


@pytest.fixture
def photos(workspace, tmp_path):
    """Eight photos with every kind of own column, some relabelled, tagged or excluded, one without a label."""
    names = ["=sum", "b/c", "dog"]
    pictures = {f"p/{number}.png": (number * 9, 40, 90) for number in range(8)}
    write_images(tmp_path / "mine", {name: Image.new("RGB", (9, 7), tone) for name, tone in pictures.items()})
    rows = pd.DataFrame(
        {
            "path": list(pictures),
            "label": [*names, *names, "dog", None],
            "split": ["train", "test", None, "train", "test", None, "train", "test"],
            "light": np.arange(8) / 7,
            "shots": [1, 2, None, 4, 5, 6, 7, 8],
            "place": ["007", "x;y", "", "=1+1", "ä", None, "b", "c"],
            "sharp": [True, False] * 4,
            "taken": pd.date_range("2026-01-02 03:04:05", periods=8).astype("datetime64[us]"),
            "label_of_mine": list("abcdabcd"),
        }
    ).astype({"shots": "Int64"})
    rows.to_parquet(tmp_path / "mine" / "photos.parquet")
    import_dataset(workspace, "photos", tmp_path / "mine" / "photos.parquet")
    opened = open_dataset(workspace, "photos")
    annotate(opened.decisions, [0, 3], "relabel", 2)
    annotate(opened.decisions, [1], "tag", "label-ok")
    annotate(opened.decisions, [1, 4], "tag", "odd; dark")
    annotate(opened.decisions, [5], "exclude")
    return opened


def known(opened, columns):
    rows = opened.samples.frame(EVERY, columns=[name for name in columns if name in opened.samples.frame(EVERY)])
    rows["tags"] = rows["tags"].map(sorted)
    return rows.sort_values("path", ignore_index=True)


def out_and_in(opened, form, place, name):
    format, _, ending = form.partition(".")
    out = place / f"{name}{'.json' if ending else ''}"
    if format in ("csv", "jsonl", "parquet"):
        out = place / f"{name}.{format}"
    export(opened, EVERY, format, out)
    import_dataset(opened.workspace, name, out)
    return open_dataset(opened.workspace, name)


@pytest.mark.parametrize("form", FORMS)
def test_what_went_out_comes_back_whole_and_once_more(photos, scored, form, tmp_path):
    opened = scored(photos) if form == "cleanlab" else photos
    want = known(opened, KEPT + OWN)
    if form in LABELLED_ONLY:
        want = want[want["curated_label_name"].notna()].reset_index(drop=True)
    if form in OF_TABLES:  # a CSV has one word for nothing
        want["place"] = want["place"].replace("", None)
    if form == "hf":  # a split of the hub has a name
        want["split"] = want["split"].fillna("train")
    first = out_and_in(opened, form, tmp_path / "one", "first")
    assert list(first.samples.classes) == list(opened.samples.classes)
    pd.testing.assert_frame_equal(known(first, KEPT + OWN), want)
    assert set(first.samples.user_columns) == {*OWN, "deciders_before"}
    before = first.samples.frame(EVERY, columns=["path", "deciders_before"]).set_index("path")["deciders_before"]
    assert set(before.dropna().index) == {"p/0.png", "p/1.png", "p/3.png"}
    if form == "cleanlab":
        first = scored(first)
    second = out_and_in(first, form, tmp_path / "two", "second")
    pd.testing.assert_frame_equal(
        known(second, [*KEPT, *OWN, "deciders_before"]), known(first, [*KEPT, *OWN, "deciders_before"])
    )
    images = second.dataset.images()
    sizes = [Image.open(io.BytesIO(data)).size for data in images.read(range(len(want)))]
    assert sizes == [(9, 7)] * len(want)


@pytest.fixture
def scored(workspace):
    """Gives a dataset a run of probabilities."""

    def score(opened):
        from tests.fakes.sources import attach

        place = workspace.root.parent / f"{opened.samples.name}.npy"
        np.save(place, np.full((opened.samples.count(), 3), 1 / 3, np.float32))
        attach(workspace, opened.samples.name, probs=str(place))
        return open_dataset(workspace, opened.samples.name)

    return score
