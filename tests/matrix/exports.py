"""The labels of each form of export, read without the program. A new form is one line."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

Labels = dict[str, str]


def _table(rows: pd.DataFrame) -> Labels:
    rows = rows.astype(object).where(rows.notna(), "")
    return dict(zip(rows["path"], rows["curated_label_name"], strict=True))


def _by_folder(out: Path) -> Labels:
    """The class folders that the files lie in, by the path that samples.csv has for each file."""
    rows = pd.read_csv(out / "samples.csv", keep_default_na=False, dtype=str)
    assert all((out / file).stat().st_size for file in rows["file"])
    return {row.path: _class_of(row) for row in rows.itertuples()}


def _class_of(row: object) -> str:
    """The name of the folder of a file, that of samples without a label as ""."""
    folder = Path(row.file).parent.name  # type: ignore[attr-defined]
    return folder if row.curated_label_name else ""  # type: ignore[attr-defined]


def _webdataset(out: Path) -> Labels:
    names = (out / "classes.txt").read_text(encoding="utf-8").splitlines()
    found: Labels = {}
    for shard in out.glob("*.tar"):
        with tarfile.open(shard) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        for name in files:
            if name.endswith(".json"):
                number = files.get(name.removesuffix(".json") + ".cls")
                found[json.loads(files[name])["path"]] = names[int(number)] if number else ""
    return found


def _hf(out: Path) -> Labels:
    import pyarrow.parquet as pq

    found: Labels = {}
    for part in (out / "data").glob("*.parquet"):
        table = pq.read_table(part)
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        names = features["label"].get("names", [])  # none where the dataset has no classes
        for path, label, image in zip(*(table[name].to_pylist() for name in ("path", "label", "image")), strict=True):
            assert image["bytes"]
            found[path] = names[label] if label is not None and label >= 0 else ""
    return found


def _fiftyone(out: Path) -> Labels:
    read = json.loads((out / "labels.json").read_text(encoding="utf-8"))
    files = {file.stem for file in (out / "data").iterdir()}
    assert files == set(read["labels"])
    labels = [label for label in read["labels"].values() if label]
    return {label["attributes"]["path"]: read["classes"][label["label"]] for label in labels}


def _label_studio(out: Path) -> Labels:
    found: Labels = {}
    for task in json.loads((out / "tasks.json").read_text(encoding="utf-8")):
        truths = [annotation for annotation in task["annotations"] if annotation.get("ground_truth")]
        said = [one["value"]["choices"][0] for truth in truths for one in truth["result"]]
        found[task["data"]["path"]] = (said or [task["data"].get("given_label") or ""])[0]
    return found


def _cleanlab(out: Path) -> Labels:
    labels = np.load(out / "labels.npy", allow_pickle=False)
    rows = pd.read_csv(out / "samples.csv", keep_default_na=False, dtype=str)
    assert len(labels) == len(rows)
    names = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["classes"]
    if (out / "pred_probs.npy").exists():
        probs = np.load(out / "pred_probs.npy", allow_pickle=False)
        assert probs.shape == (len(rows), len(names))
        np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-3)
    return {path: names[label] if label >= 0 else "" for path, label in zip(rows["path"], labels, strict=True)}


def _coco(out: Path) -> Labels:
    read = json.loads((out / "annotations.json").read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in read["categories"]}
    class_of = {one["image_id"]: names[one["category_id"]] for one in read["annotations"]}
    assert all((out / "images" / image["file_name"]).is_file() for image in read["images"])
    return {image["attributes"]["path"]: class_of.get(image["id"], "") for image in read["images"]}


def _lines(out: Path) -> pd.DataFrame:
    return pd.read_json(io.StringIO(out.read_text(encoding="utf-8")), lines=True, dtype=False)


#: By form: what a name of it ends in, and what reads the label of each path.
FORMS: Mapping[str, tuple[str, Callable[[Path], Labels]]] = {
    "csv": (".csv", lambda out: _table(pd.read_csv(out, keep_default_na=False, dtype=str))),
    "jsonl": (".jsonl", lambda out: _table(_lines(out))),
    "parquet": (".parquet", lambda out: _table(pd.read_parquet(out))),
    "folder": ("", _by_folder),
    "yolo": ("", _by_folder),
    "webdataset": ("", _webdataset),
    "hf": ("", _hf),
    "fiftyone": ("", _fiftyone),
    "label-studio": ("", _label_studio),
    "cleanlab": ("", _cleanlab),
    "coco": ("", _coco),
}
