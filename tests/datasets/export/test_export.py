"""Exports read back by the tools that people use, texts of any kind, and what an export must never do."""

import csv
import hashlib
import json
import tarfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from torchvision.datasets import ImageFolder

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.export import images as export_images
from avhcurate.datasets.export.service import export, export_bytes
from avhcurate.datasets.export.text import csv_text, text_file
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.columns import STANDARD
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import by_angle
from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import safe_name
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from avhcurate.workspace.disk.tabular import read_table
from tests.fakes.sources import png
from tests.fakes.workspaces import HOSTILE_COLUMN

VIEW = Filters(hsf_bins=(0, 1), where="label IN (1, 8)")


def expected(opened, filters=VIEW):
    return opened.samples.frame(filters, columns=list(STANDARD))


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_table_comes_back_from_pandas_with_the_same_rows_and_columns(digits, tmp_path, format):
    out = tmp_path / f"labels.{format}"
    count = export(digits, VIEW, format, out)
    readers = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    got, want = readers[format](out), expected(digits)
    assert count == len(got) == len(want) > 0
    place = STANDARD.index("hsf_bin") + 1
    standard = [*STANDARD[:place], "hsf_source", *STANDARD[place:]]
    standard.insert(standard.index("curated_label_name") + 1, "deciders")
    assert list(got.columns) == [*standard, *digits.samples.user_columns]
    for column in ("id", "label", "curated_label", "path", "hsf_bin"):
        assert got[column].tolist() == want[column].tolist(), column
    for column in ("avh", "confidence", "hsf", "loss"):
        np.testing.assert_allclose(got[column], want[column].astype("float64"), rtol=1e-6)
    assert set(got["hsf_source"]) == {"simulated"}
    manifest = json.loads(out.with_name(f"{out.name}.manifest.json").read_text())
    assert (manifest["samples"], manifest["votes"]["simulated"], manifest["file"]) == (count, True, out.name)
    assert manifest["weights_sha256"] == digits.run.record.weights_sha256
    assert manifest["file_sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert Filters.from_query(manifest["filters"]) == VIEW


def test_image_folder_reads_the_folder_with_the_curated_labels(own_digits, tmp_path):
    annotate(own_digits.decisions, Filters(classes=(1,)), "relabel", 8)
    filters = Filters(classes=(1, 8), splits=("test",))
    count = export(own_digits, filters, "folder", tmp_path / "folder")
    dataset = ImageFolder(tmp_path / "folder")
    assert dataset.classes == [own_digits.samples.classes[8]]
    assert len(dataset) == count == own_digits.samples.count(filters)
    assert dataset[0][0].size == (8, 8)


def test_the_datasets_library_reads_the_hub_layout_with_class_names_and_splits(digits, tmp_path):
    datasets = pytest.importorskip("datasets")
    count = export(digits, VIEW, "hf", tmp_path / "hf")
    loaded = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert sum(len(part) for part in loaded.values()) == count
    for split, part in loaded.items():
        want = expected(digits, VIEW.with_(splits=(split,)))
        assert part.features["label"].names == list(digits.samples.classes)
        assert part["label"] == want["label"].tolist()
        assert part[0]["image"].size == (8, 8)
        assert part["id"] == want["id"].tolist()
    card = DatasetCard.load(tmp_path / "hf" / "README.md")
    assert card.data.label_names == list(digits.samples.classes)
    assert (card.data.task_categories, card.data.size_categories) == (["image-classification"], ["n<1K"])
    assert sum(card.data.splits.values()) == count
    assert card.data.license is None
    assert f"| nobody | {count} |" in card.text
    assert "**simulated** votes" in card.text


def test_excluded_samples_stay_out_unless_asked_for_or_chosen(own_digits, tmp_path):
    annotate(own_digits.decisions, [0, 1], "exclude")
    assert export(own_digits, Filters(), "csv", tmp_path / "a.csv") == 1795
    assert export(own_digits, Filters(excluded=None), "csv", tmp_path / "b.csv") == 1797
    text = export_bytes(own_digits, Filters(excluded=None, ids=(3, 1)), "csv").decode()
    assert [line.split(",")[0] for line in text.splitlines()] == ["id", "1", "3"]


def shards(folder, pattern="*.tar"):
    """The files of all shards of a WebDataset, by name."""
    files = {}
    for shard in sorted(folder.glob(pattern)):
        with tarfile.open(shard) as tar:
            files |= {member.name: tar.extractfile(member).read() for member in tar}
    return files


@pytest.mark.parametrize(
    "format", ["csv", "jsonl", "parquet", "folder", "yolo", "webdataset", "hf", "label-studio", "cleanlab", "coco"]
)
def test_samples_come_in_an_order_that_is_asked_for(digits, tmp_path, format):
    order = digits.samples.order(VIEW, sort="loss", descending=True)
    out = tmp_path / f"labels.{format}"
    assert export(digits, VIEW, format, out, order=order[2:]) == len(order)
    read = {
        "csv": lambda: pd.read_csv(out)["id"],
        "jsonl": lambda: pd.read_json(out, lines=True)["id"],
        "parquet": lambda: pd.read_parquet(out)["id"],
        "folder": lambda: pd.read_csv(out / "samples.csv")["id"],
        "yolo": lambda: pd.read_csv(out / "samples.csv")["id"],
        "webdataset": lambda: [int(name[:9]) for name in shards(out) if name.endswith(".json")],
        "hf": lambda: pd.concat([pd.read_parquet(file)["id"] for file in sorted(out.glob("data/train*"))]),
        "label-studio": lambda: [task["data"]["avh"] for task in json.loads((out / "tasks.json").read_text())],
        "cleanlab": lambda: pd.read_csv(out / "samples.csv")["id"],
        "coco": lambda: [image["id"] for image in json.loads((out / "annotations.json").read_text())["images"]],
    }[format]
    rows = digits.samples.frame(VIEW, columns=["id", "avh", "split"]).set_index("id", drop=False)
    want = rows.loc[[*order[2:], *sorted(order[:2])]]
    want = want[want["split"] == "train"] if format == "hf" else want
    assert list(read()) == pytest.approx(want["avh" if format == "label-studio" else "id"].tolist())


def test_a_saved_view_is_exported_in_its_order(cli, own_demo_root, tmp_path):
    opened, out = open_dataset(Workspace(own_demo_root), "digits"), tmp_path / "a.csv"
    filters = Filters(classes=(3,))
    views = {
        "easy": ({"sort": "hsf"}, opened.samples.order(filters, sort="hsf", descending=True)),
        "like": ({"gallery.like": "7"}, by_angle(opened.samples, opened.run, filters, [7])[0]),
    }
    for name, (query, want) in views.items():
        Saved(Workspace(own_demo_root), "digits").save_view(name, {"class": "3", **query}, "gallery")
        arguments = ("--view", name, "--format", "csv", "--out", out, "--force")
        assert cli("export", "digits", *arguments, "--workspace", own_demo_root)[0] == 0
        assert pd.read_csv(out)["id"].tolist() == want.tolist()


@pytest.mark.slow
def test_an_existing_file_is_kept_unless_forced(digits, tmp_path):
    out = tmp_path / "labels.csv"
    out.write_text("mine")
    (tmp_path / "b.csv.manifest.json").write_text("mine")
    for path, kept in ((out, out), (tmp_path / "b.csv", tmp_path / "b.csv.manifest.json")):
        with pytest.raises(CurateError, match="--force"):
            export(digits, VIEW, "csv", path)
        assert kept.read_text() == "mine"
    assert not (tmp_path / "b.csv").exists()
    export(digits, VIEW, "csv", out, force=True)
    assert out.read_text().startswith("id,path")
    for format in ("folder", "hf", "cleanlab"):
        out = tmp_path / format
        export(digits, VIEW, format, out)
        (out / "mine.txt").write_text("mine")
        with pytest.raises(CurateError, match="--force"):
            export(digits, VIEW, format, out)
        export(digits, VIEW, format, out, force=True)
        assert not (out / "mine.txt").exists()


def test_a_failing_export_leaves_nothing_behind(digits, tmp_path):
    for where, format, message in [
        ("avh > 7", "csv", "nothing to export"),
        ("nothing > 7", "csv", "Unknown column nothing"),
        ("", "xls", "Choose from csv"),
    ]:
        with pytest.raises(CurateError, match=message):
            export(digits, Filters(where=where), format, tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_formulas_from_tags_are_defused_in_csv_and_stay_in_parquet(own_digits, tmp_path):
    annotate(own_digits.decisions, [2], "tag", "=cmd|'/c calc'!A1")
    chosen = Filters(ids=(2,))
    export(own_digits, chosen, "csv", tmp_path / "a.csv")
    assert pd.read_csv(tmp_path / "a.csv")["tags"][0] == "'=cmd|'/c calc'!A1"
    export(own_digits, chosen, "parquet", tmp_path / "a.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet")["tags"][0].tolist() == ["=cmd|'/c calc'!A1"]


def test_a_file_that_is_no_image_leaves_in_no_export(tmp_path, workspace):
    (tmp_path / "secrets.toml").write_text("cookie_secret = 's3cr3t'")
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "manifest.csv").write_text(f"path,label\na.png,cat\n{tmp_path}/secrets.toml,cat\n")
    import_dataset(workspace, "pets", tmp_path / "manifest.csv")
    opened = open_dataset(workspace, "pets")
    for format in ("folder", "yolo", "webdataset", "hf", "coco", "fiftyone", "label-studio"):
        export(opened, Filters(), format, tmp_path / format)
        files = [path for path in (tmp_path / format).rglob("*") if path.is_file()]
        assert files
        assert not any(b"s3cr3t" in path.read_bytes() for path in files), format
        manifest = json.loads((tmp_path / format / "manifest.json").read_text())
        assert (manifest["samples"], manifest["left_out"]) == (1, 1), format
    (rows,) = (tmp_path / "hf" / "data").iterdir()
    assert pq.read_table(rows)["id"].to_pylist() == [0]


def test_yolo_has_a_folder_a_split_with_the_same_classes_and_no_image_without_a_label(own_digits, tmp_path):
    annotate(own_digits.decisions, [1], "relabel", 8)
    classes.retire(own_digits.decisions, own_digits.workspace, "0")  # its images have no label
    opened = open_dataset(own_digits.workspace, "digits")
    want = opened.samples.frame(columns=["id", "split", "curated_label_name"]).dropna()
    assert export(opened, Filters(), "yolo", tmp_path / "out") == len(want) < opened.samples.size
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["left_out"] == opened.samples.size - len(want)
    names = (tmp_path / "out" / "classes.txt").read_text().split()
    for split in ("train", "test"):
        read = ImageFolder(tmp_path / "out" / split)  # as Ultralytics reads it
        assert read.classes == names == list(opened.samples.classes)
        found = {int(path.rpartition("-")[2].removesuffix(".png")): names[label] for path, label in read.samples}
        assert found == want[want["split"] == split].set_index("id")["curated_label_name"].to_dict()


def test_webdataset_comes_back_with_equal_pictures_from_shards_of_bounded_size(own_digits, tmp_path, monkeypatch):
    annotate(own_digits.decisions, [1], "relabel", 8)
    monkeypatch.setattr(export_images, "_SHARD_BYTES", 4000)
    chosen = Filters(ids=tuple(range(40)))
    assert export(own_digits, chosen, "webdataset", tmp_path / "out") == 40
    tars = [[*map(len, shards(tmp_path / "out", tar.name).values())] for tar in (tmp_path / "out").glob("*.tar")]
    assert len(tars) > 2
    assert all(sum(sizes[:-3]) < 4000 for sizes in tars)  # the last sample may exceed it
    names = (tmp_path / "out" / "classes.txt").read_text().split()
    back = import_dataset(own_digits.workspace, "back", f"wds:{tmp_path}/out/*.tar", label_column="curated_label_name")
    rows = own_digits.samples.frame(chosen, columns=["id", "curated_label_name", "avh"])
    read = open_dataset(own_digits.workspace, "back").samples.frame(columns=["id", "label_name", "cls", "user_avh"])
    assert (
        read["label_name"].tolist()
        == rows["curated_label_name"].tolist()
        == [names[n] for n in read["cls"].astype(int)]
    )
    np.testing.assert_allclose(read["user_avh"].astype(float), rows["avh"])
    ids = rows["id"].tolist()
    assert list(back.images().read(range(40))) == list(own_digits.dataset.images().read(ids))


@pytest.mark.parametrize("format", ["folder", "yolo", "webdataset"])
def test_a_cancelled_folder_leaves_nothing(digits, tmp_path, monkeypatch, format):
    monkeypatch.setattr(export_images, "_BATCH", 8)
    asked = []
    progress = Progress(should_stop=lambda: asked.append(1) or len(asked) > 3)
    with pytest.raises(Cancelled):
        export(digits, Filters(), format, tmp_path / "out", progress=progress)
    assert list(tmp_path.iterdir()) == []


def images(count):
    return [{"bytes": png(0), "path": None}] * count


@pytest.mark.parametrize("format", ["csv", "folder", "hf", "cleanlab"])
def test_force_never_replaces_a_folder_that_no_export_made(digits, tmp_path, format):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "precious.jpg").write_bytes(b"mine")
    for theirs in (None, '{"name": "a web app", "icons": []}', "{", "[]", '{"schema_version": 2}'):
        if theirs:
            (tmp_path / "photos" / "manifest.json").write_text(theirs)
        with pytest.raises(CurateError, match="photos"):
            export(digits, VIEW, format, tmp_path / "photos", force=True)
        assert {file.name for file in (tmp_path / "photos").iterdir()} <= {"precious.jpg", "manifest.json"}
    assert (tmp_path / "photos" / "precious.jpg").read_bytes() == b"mine"


def test_hf_keeps_every_sample_where_splits_are_missing_or_share_a_file_name(tmp_path, make_dataset, monkeypatch):
    monkeypatch.setattr(export_images, "_HF_BATCH", 164)
    monkeypatch.setattr(export_images, "_HF_BATCHES", 1)
    count = 400
    splits = [[None, "train", "a b", "a-b", "", "train", "a b", "a-b"][number % 8] for number in range(count - 1)]
    splits.append("Train")
    opened = make_dataset(pa.table({"image": images(count), "label": [0, 1] * (count // 2), "split": splits}), "own")
    assert export(opened, Filters(), "hf", tmp_path / "hf") == count
    files = sorted((tmp_path / "hf" / "data").iterdir())
    names = [f"{split}-{number:05d}-of-00002.parquet" for split in ("a_b", "train") for number in range(2)]
    assert [file.name for file in files] == ["Train_-00000-of-00001.parquet", *names]
    ids = np.concatenate([pq.read_table(file, columns=["id"])["id"].to_numpy() for file in files])
    assert sorted(ids) == list(range(count))


def test_classes_whose_names_a_folder_cannot_tell_apart_get_a_folder_each(tmp_path, make_dataset):
    names = ["a:b", "a*b", "Cat", "cat"]
    opened = make_dataset(pa.table({"image": images(4), "label": names}), "own")
    export(opened, Filters(), "folder", tmp_path / "out")
    folder = ImageFolder(tmp_path / "out")
    assert len(folder.classes) == len({name.casefold() for name in folder.classes}) == len(names)
    assert len(folder) == len(names)  # though no image has a name of its own


def test_json_lines_hold_no_number_that_is_none_in_json(make_dataset):
    def refuse(constant):
        raise AssertionError(constant)

    values = [float("nan"), float("inf"), 1.5]
    opened = make_dataset(pa.table({"image": images(3), "label": [0, 0, 0], "area": values}), "own")
    lines = export_bytes(opened, Filters(), "jsonl").decode().splitlines()
    assert [json.loads(line, parse_constant=refuse)["area"] for line in lines] == [None, None, 1.5]
    assert opened.samples.frame(Filters(where="area IS NULL"))["id"].to_list() == [0]


def test_columns_of_the_users_are_kept_apart_from_those_that_an_export_adds(make_dataset, tmp_path):
    own = {"file": ["scan0", "scan1"], "hsf_source": ["x", "y"], "gap": [1, 2], "simulated": ["by hand", ""]}
    opened = make_dataset(pa.table({"image": images(2), "label": ["a", "b"], **own}), "own")
    assert opened.samples.user_columns == ("file", "user_hsf_source", "user_gap", "simulated")
    export(opened, Filters(), "folder", tmp_path / "out")
    samples = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert all((tmp_path / "out" / file).is_file() for file in samples["file"])
    assert sorted(samples["user_file"]) == ["scan0", "scan1"]
    export(opened, Filters(), "label-studio", tmp_path / "tasks")
    task = json.loads((tmp_path / "tasks" / "tasks.json").read_text())[0]["data"]
    assert (task["sample_simulated"], "simulated" in task) == ("by hand", False)


def own_values(folder, format):
    """By id, the user's columns that an export holds."""
    if format == "csv":
        return pd.read_csv(folder).set_index("id").to_dict("index")
    if format == "hf":
        parts = [pq.read_table(part).drop_columns(["image"]) for part in (folder / "data").glob("*.parquet")]
        return pa.concat_tables(parts).to_pandas().set_index("id").to_dict("index")
    if format == "coco":
        images = json.loads((folder / "annotations.json").read_text())["images"]
        return {image["id"]: image["attributes"] for image in images}
    tasks = [task["data"] for task in json.loads((folder / "tasks.json").read_text())]
    return {int(task["path"].removesuffix(".png")): task for task in tasks}


@pytest.mark.parametrize("format", ["csv", "hf", "coco", "label-studio"])
def test_own_columns_are_in_every_format(columns_root, tmp_path, format):
    opened = open_dataset(Workspace(columns_root), "digits")
    chosen = Filters(ids=(3, 4, 50))
    out = tmp_path / "out"
    assert export(opened, chosen, format, out) == 3
    found, wanted = own_values(out, format), opened.samples.frame(chosen).set_index("id")
    assert set(found) == {3, 4, 50}
    for id, row in found.items():
        assert row[HOSTILE_COLUMN] == wanted.loc[id, HOSTILE_COLUMN]
        assert row["camera"] == f"camera {id}"
        assert str(row["taken"])[:10] == str(wanted.loc[id, "taken"])[:10]
        if id == 50:
            assert all(pd.isna(row.get(name)) for name in ("my_score", "seen", "place"))
        else:
            assert row["my_score"] == pytest.approx(wanted.loc[id, "my_score"])
            assert bool(row["seen"]) == (id % 4 == 0)
            assert row["place"] == ("zoo" if id % 3 == 0 else "park, old")


TEXTS = ["a\r=1+1", "a\rb", "a\r\nb", "a\nb", '"', '"\r\n"', ',"\r', "x"]


def test_texts_with_any_line_end_stay_in_their_row(tmp_path):
    frame = pd.DataFrame({"note": TEXTS, "n": range(len(TEXTS))})
    with text_file(tmp_path / "a.csv") as stream:
        stream.write(csv_text(frame[:3]))
        stream.write(csv_text(frame[3:], header=False))
    assert "\r" not in csv_text(pd.DataFrame({"note": ["a,b"], "n": [1]}))
    assert read_table(tmp_path / "a.csv").to_pydict() == {"note": TEXTS, "n": list(range(len(TEXTS)))}
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), frame, check_dtype=False)
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as stream:
        assert [row[0] for row in csv.reader(stream)] == ["note", *TEXTS]


@pytest.mark.parametrize(
    ("name", "safe"), [("Aux", "Aux_"), ("nul.txt", "nul_.txt"), ("com1 ", "com1_"), ("cone", "cone")]
)
def test_names_of_devices_become_names_of_files(name, safe):
    assert safe_name(name) == safe
