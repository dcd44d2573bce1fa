"""Exports for other tools, read back by the tools or held against their documented form."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.export.service import FOLDERS, export, export_bytes
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.workspace import Workspace

VIEW = Filters(where="id < 120 AND label IN (1, 8)")


def rows(opened, filters=VIEW):
    return opened.samples.frame(filters).set_index("id")


@pytest.fixture
def odd(make_dataset):
    """Three samples without a run: a class that is no file name, no label, and no image."""
    stream = io.BytesIO()
    Image.new("RGB", (5, 3)).save(stream, "PNG")
    images = [{"bytes": data, "path": "../a.png"} for data in (stream.getvalue(), stream.getvalue(), b"no")]
    table = pa.table({"image": images, "label": ['<a>&"/../x', None, "dog"], "tags_of_mine": [["x"], [], None]})
    return make_dataset(table, "odd")


def test_pycocotools_reads_labels_sizes_and_images(own_digits, tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    annotate(own_digits.decisions, [1], "relabel", 8)
    count = export(own_digits, VIEW, "coco", tmp_path / "coco")
    read, want = coco.COCO(str(tmp_path / "coco" / "annotations.json")), rows(own_digits)
    names = {category["id"]: category["name"] for category in read.loadCats(read.getCatIds())}
    assert list(names.values()) == list(own_digits.samples.classes)
    assert sorted(read.getImgIds()) == want.index.tolist()
    assert count == len(want)
    for image in read.loadImgs(read.getImgIds()):
        (annotation,) = read.loadAnns(read.getAnnIds(imgIds=[image["id"]]))
        assert names[annotation["category_id"]] == want.loc[image["id"], "curated_label_name"]
        assert annotation["bbox"] == [0, 0, image["width"], image["height"]] == [0, 0, 8, 8]
        assert Image.open(tmp_path / "coco" / "images" / image["file_name"]).size == (8, 8)
        assert image["attributes"]["avh"] == pytest.approx(want.loc[image["id"], "avh"])
        assert image["attributes"]["hsf_source"] == "simulated"
    assert set(read.getImgIds(catIds=[9])) == set(want.index[want["curated_label"] == 8])


def test_fiftyones_labels_match_images_by_name_and_carry_scores(own_digits, tmp_path):
    annotate(own_digits.decisions, [1], "relabel", 8)
    annotate(own_digits.decisions, [1, 8], "tag", "odd")
    count = export(own_digits, VIEW, "fiftyone", tmp_path / "fo")
    read, want = json.loads((tmp_path / "fo" / "labels.json").read_text()), rows(own_digits)
    files = {file.stem: file for file in (tmp_path / "fo" / "data").iterdir()}
    assert read["classes"] == list(own_digits.samples.classes)
    assert set(read["labels"]) == set(files)
    assert len(files) == count == len(want)
    for name, label in read["labels"].items():
        sample = want.loc[label["attributes"]["sample_id"]]
        assert read["classes"][label["label"]] == sample["curated_label_name"]
        assert name.endswith(f"-{sample.name}")
        assert label["attributes"]["avh"] == pytest.approx(sample["avh"])
        # What the label has of its own must not come twice.
        assert not {"id", "label", "confidence", "tags", "logits"} & set(label["attributes"])
        if sample["curated_label"] == sample["label"]:
            assert label["confidence"] == pytest.approx(sample["confidence"])
        else:
            assert "confidence" not in label
    assert {
        label["attributes"]["sample_id"]
        for label in read["labels"].values()
        if "odd" in label["attributes"].get("sample_tags", [])
    } == {1, 8}


def test_fiftyones_own_code_reads_the_labels_and_what_it_writes_comes_back(own_digits, tmp_path, monkeypatch):
    monkeypatch.setenv("FIFTYONE_DISABLE_SERVICES", "1")  # readers and writers need no database
    data = pytest.importorskip("fiftyone.utils.data", reason="FiftyOne is not installed: pip install fiftyone")
    export(own_digits, VIEW, "fiftyone", tmp_path / "fo")
    want, wrong, classes = rows(own_digits), [], list(own_digits.samples.classes)
    importer = data.FiftyOneImageClassificationDatasetImporter(dataset_dir=str(tmp_path / "fo"))
    exporter = data.FiftyOneImageClassificationDatasetExporter(str(tmp_path / "back"), classes=classes)
    with importer, exporter:
        for path, _, label in importer:
            sample = want.loc[label.sample_id]
            assert label.label == sample["curated_label_name"]
            assert (label.avh, label.confidence) == pytest.approx((sample["avh"], sample["confidence"]))
            if sample["predicted"] != sample["label"]:
                label.label = sample["predicted_name"]
                wrong.append(label.sample_id)
            exporter.export_sample(path, label)
    assert len(importer) == len(want)
    counts = relabel_from(own_digits.decisions, tmp_path / "back" / "labels.json")
    assert (counts.applied, counts.same) == (len(wrong), len(want) - len(wrong))
    back = rows(own_digits)
    assert back["curated_label"].tolist() == back["predicted"].tolist()


def test_votes_come_back_from_label_studios_tasks_as_they_were(digits, own_demo_root, tmp_path):
    export(digits, VIEW, "label-studio", tmp_path / "ls")
    workspace = Workspace(own_demo_root)
    before = rows(open_dataset(workspace, "digits"))
    attach_votes(workspace, "digits", tmp_path / "ls" / "tasks.json", force=True)
    again = open_dataset(workspace, "digits")
    assert again.samples.simulated
    after = again.samples.frame(Filters(where="votes > 0", excluded=None)).set_index("id")
    pd.testing.assert_frame_equal(after[["hsf", "votes"]], before[["hsf", "votes"]])


def test_ticks_come_back_from_label_studios_tasks_and_a_relabel_is_no_vote(own_digits, own_demo_root, tmp_path):
    workspace = Workspace(own_demo_root)
    wanted = rows(own_digits)
    ticks = wanted[["path"]].assign(**{"class": wanted["label_name"]}, selected=np.arange(len(wanted)) % 4, shown=3)
    ticks[ticks["path"] != wanted["path"].iloc[0]].to_parquet(tmp_path / "ticks.parquet")
    attach_votes(workspace, "digits", tmp_path / "ticks.parquet", force=True)
    opened = open_dataset(workspace, "digits")
    annotate(opened.decisions, [int(wanted.index[1])], "relabel", 4)
    export(opened, VIEW, "label-studio", tmp_path / "ls")
    before = rows(opened)[["hsf", "votes"]]
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    (truth,) = [annotation for annotation in tasks[1]["annotations"] if annotation["ground_truth"]]
    assert truth["result"][0]["value"]["choices"] == ["4"]
    assert [task["data"]["class"] for task in tasks] == wanted["label_name"].tolist()
    config = (tmp_path / "ls" / "label_config.xml").read_text()
    assert 'name="belongs"' in config
    assert 'name="label"' in config
    attach_votes(workspace, "digits", tmp_path / "ls" / "tasks.json", force=True)
    after = rows(open_dataset(workspace, "digits"))[["hsf", "votes"]]
    pd.testing.assert_frame_equal(after, before)
    assert after["votes"].isna().sum() == 1


def test_label_studios_tasks_have_the_documented_form(digits, tmp_path):
    import xml.etree.ElementTree as ET

    export(digits, VIEW, "label-studio", tmp_path / "ls")
    tasks, want = json.loads((tmp_path / "ls" / "tasks.json").read_text()), rows(digits).set_index("path")
    config = ET.fromstring((tmp_path / "ls" / "label_config.xml").read_text())
    control, image = config.find("Choices"), config.find("Image")
    allowed = [choice.get("value") for choice in control.findall("Choice")]
    assert image.get("value") == "$image"
    assert len(tasks) == len(want)
    for task in tasks:
        sample = want.loc[task["data"]["path"]]
        (prediction,) = task["predictions"]
        assert prediction["score"] == pytest.approx(sample["max_confidence"])
        assert prediction["result"][0]["value"]["choices"] == [sample["predicted_name"]]
        for answer in [*task["annotations"], prediction]:
            (result,) = answer["result"]
            assert (result["from_name"], result["to_name"]) == (control.get("name"), image.get("name"))
            assert result["type"] == "choices"
            assert set(result["value"]["choices"]) <= set(allowed)
        place = task["data"]["image"].removeprefix("/data/local-files/?d=")
        assert (tmp_path / "ls" / place).is_file()


def test_label_studios_own_code_reads_the_tasks_and_what_it_writes_comes_back(odd, tmp_path):
    sdk = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="its SDK is not installed: pip install label-studio-sdk"
    )
    from label_studio_sdk.converter import Converter

    annotate(odd.decisions, [1], "relabel", 0)
    export(odd, Filters(), "label-studio", tmp_path / "ls")
    config = (tmp_path / "ls" / "label_config.xml").read_text()
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    for number, task in enumerate(tasks):
        assert all(map(sdk.LabelInterface(config).validate_annotation, task["annotations"]))
        task["id"] = number  # as the server numbers them, and somebody corrects the second
        for annotation in task["annotations"]:
            annotation["id"] = annotation["completed_by"] = number + 1
    tasks[1]["annotations"][0]["result"][0]["value"]["choices"] = ["dog"]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    for form in ("CSV", "JSON"):
        Converter(config, str(tmp_path)).convert(str(tmp_path / "tasks.json"), str(tmp_path / form), form, is_dir=False)
    for written in ("CSV/result.csv", "JSON/result.json"):
        assert relabel_from(odd.decisions, tmp_path / written).applied == 1
        assert odd.samples.frame()["curated_label_name"].tolist()[:2] == ['<a>&"/../x', "dog"]
        annotate(odd.decisions, [1], "relabel", 0)


def test_without_votes_the_curated_label_is_the_annotation(odd, tmp_path):
    annotate(odd.decisions, [1], "relabel", 0)
    export(odd, Filters(), "label-studio", tmp_path / "ls")
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    said = [[(a["result"][0]["value"]["choices"], a["ground_truth"]) for a in task["annotations"]] for task in tasks]
    assert said == [[(['<a>&"/../x'], False)], [(['<a>&"/../x'], True)]]
    assert all(task["predictions"] == [] for task in tasks)
    with pytest.raises(CurateError, match="avhcurate score"):
        export(odd, Filters(), "cleanlab", tmp_path / "cl")


def test_cleanlab_finds_planted_label_errors_in_the_files_and_corrections_come_back(own_digits, tmp_path):
    cleanlab = pytest.importorskip("cleanlab.filter")
    test = own_digits.samples.frame(Filters(splits=("test",)))
    sure = test[(test["predicted"] == test["label"]) & (test["confidence"] > 0.99)]["id"].tolist()
    wrong = sure[:12]
    for id in wrong:
        annotate(own_digits.decisions, [id], "relabel", (int(own_digits.samples.sample(id)["label"]) + 5) % 10)
    count = export(own_digits, Filters(splits=("test",)), "cleanlab", tmp_path / "cl")
    labels, probs = np.load(tmp_path / "cl" / "labels.npy"), np.load(tmp_path / "cl" / "pred_probs.npy")
    samples = pd.read_csv(tmp_path / "cl" / "samples.csv")
    assert len(labels) == len(probs) == len(samples) == count == len(test)
    assert samples["curated_label"].tolist() == labels.tolist()
    given = probs[np.arange(len(samples)), samples["label"]]
    np.testing.assert_allclose(given, samples["confidence"], atol=1e-5)
    features = np.load(tmp_path / "cl" / "features.npy")
    np.testing.assert_array_equal(features, own_digits.run.features()[samples["id"]])
    found = cleanlab.find_label_issues(labels, probs, return_indices_ranked_by="self_confidence", n_jobs=1)
    assert set(samples["id"].to_numpy()[found[:12]]) == set(wrong)
    doubted = samples.iloc[found[:12]]
    doubted[["path"]].assign(label_name=doubted["predicted_name"]).to_csv(tmp_path / "corrected.csv", index=False)
    assert relabel_from(own_digits.decisions, tmp_path / "corrected.csv").applied == 12
    back = own_digits.samples.frame(Filters(ids=tuple(wrong)))
    assert back["curated_label"].tolist() == back["label"].tolist()


@pytest.mark.parametrize("format", [name for name in FOLDERS if name != "cleanlab"])
def test_names_of_the_users_cannot_leave_the_folder(odd, tmp_path, format):
    out = tmp_path / "deep" / "out"
    before = {file for file in tmp_path.rglob("*") if "deep" not in file.parts}
    export(odd, Filters(), format, out)
    assert {file for file in tmp_path.rglob("*") if "deep" not in file.parts} == before
    assert [file.name for file in out.parent.iterdir()] == ["out"]


def test_a_folder_is_downloaded_as_one_zip_with_its_images(digits):
    packed = zipfile.ZipFile(io.BytesIO(export_bytes(digits, Filters(where="id < 3"), "coco")))
    names = packed.namelist()
    assert {Path(name).parts[0] for name in names} == {"digits"}
    images = [name for name in names if "/images/" in name]
    assert len(images) == 3
    assert Image.open(io.BytesIO(packed.read(images[0]))).size == (8, 8)
