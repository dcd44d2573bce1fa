"""The layouts of cleanlab, COCO, FiftyOne and Label Studio."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

import numpy as np

from avhcurate.datasets.export.images import place_images
from avhcurate.datasets.export.tabular import ExportSelection, Row, frames, without_missing
from avhcurate.datasets.export.text import csv_text, text_file, write_items, write_readme
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import not_scored
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.measures.scores.softmax import log_probs
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.arrays import create_npy
from avhcurate.workspace.disk.json_text import json_text
from avhcurate.workspace.images.decoding import BrokenImage, stored_size

_CLEANLAB = """# {name} for cleanlab

    import numpy as np
    import pandas as pd
    from cleanlab.filter import find_label_issues

    labels, pred_probs = np.load("labels.npy"), np.load("pred_probs.npy")
    rows = find_label_issues(labels, pred_probs, return_indices_ranked_by="self_confidence")
    print(pd.read_csv("samples.csv").iloc[rows])

Rows are the same in all files: `labels.npy` (n) curated labels, `pred_probs.npy` (n, K) softmax, `features.npy` (n, D)
embeddings if the run has any, `samples.csv` all columns. Images without a label or a prediction are left out.
cleanlab expects probabilities of images that the model has not learnt from.
"""


def write_cleanlab(
    run: RunFolder | None,
    decisions: Decisions,
    votes: Votes,
    prediction: PredictionFolder | None,
    selection: ExportSelection,
    path: Path,
) -> int:
    """Write the files; return how many samples there are: those with a label and a prediction."""
    name = decisions.samples.name
    if run is None:
        raise not_scored(name)
    run.refuse_without_logits()
    usable = decisions.samples.frame(selection.filters, columns=["curated_label", "predicted"]).dropna()
    if usable.empty:
        raise CurateError("No image has both a label and a prediction, so there is nothing for cleanlab.")
    n = len(usable)
    num_classes = run.num_classes
    if usable["curated_label"].max() >= num_classes:
        raise CurateError(f"Some labels are of classes that the model does not know. It has {num_classes}.")
    path.mkdir()
    arrays = {
        "labels": create_npy(path / "labels.npy", np.int64, (n,)),
        "pred_probs": create_npy(path / "pred_probs.npy", np.float32, (n, num_classes)),
    }
    if run.has_features:
        arrays["features"] = create_npy(path / "features.npy", np.float32, (n, run.record.width))
    start = 0
    with text_file(path / "samples.csv") as stream:
        for frame in frames(decisions, votes, prediction, selection):
            frame = frame.dropna(subset=["curated_label", "predicted"])
            rows = slice(start, start + len(frame))
            ids = frame["id"].to_numpy(np.int64)
            arrays["labels"][rows] = frame["curated_label"].astype(np.int64)
            arrays["pred_probs"][rows] = np.exp(log_probs(np, run.logits_of(ids)))
            if run.has_features:
                arrays["features"][rows] = run.features_of(ids)
            if len(frame):
                stream.write(csv_text(frame, header=start == 0))
            start = rows.stop
    for array in arrays.values():
        array.flush()
    write_readme(path, _CLEANLAB.format(name=name), simulated=decisions.samples.simulated)
    return n


def write_coco(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> int:
    """Write images/ and annotations.json; return how many images there are: those that can be read.

    An image's `id` is the sample's, a category's is the class index + 1, an annotation's the image's + 1: readers take
    0 for none. The sample's columns are the image's `attributes`.
    """
    (path / "images").mkdir(parents=True)
    placed = place_images(decisions, votes, prediction, selection, path, lambda _: "images")
    with text_file(path / "annotations.json") as stream:
        return write_coco_stream(decisions, placed, stream, lambda file: file.name, drop=True)


def write_coco_stream(
    decisions: Decisions,
    placed: Iterator[tuple[Row, Path]],
    stream: TextIO,
    name_of: Callable[[Path], str],
    *,
    drop: bool = False,
) -> int:
    """Write the images and their annotations; return how many. `drop`: files that are no image are removed."""
    annotations: list[Row] = []  # they follow the images, which are read once
    categories = [
        {"id": number + 1, "name": name, "supercategory": ""} for number, name in enumerate(decisions.samples.classes)
    ]
    about = f"{decisions.samples.name}: curated labels of whole images, each as a box around all of it."
    if decisions.samples.simulated:
        about += " The human votes behind hsf are simulated."
    stream.write(f'{{"info": {json_text({"description": about})},\n"categories": {json_text(categories)}')
    stream.write(',\n"images": [')
    written = write_items(stream, map(json_text, _coco_images(placed, annotations, name_of, drop=drop)))
    stream.write('],\n"annotations": [')
    write_items(stream, map(json_text, annotations))
    stream.write("]}\n")
    return written


def _coco_images(
    placed: Iterator[tuple[Row, Path]], annotations: list[Row], name_of: Callable[[Path], str], *, drop: bool
) -> Iterator[Row]:
    """Yield the image of every sample, and add its annotation."""
    for row, file in placed:
        try:
            width, height = stored_size(file)
        except BrokenImage:
            if drop:
                file.unlink()
            continue
        if row["curated_label"] is not None:
            annotations.append(
                {
                    "id": row["id"] + 1,
                    "image_id": row["id"],
                    "category_id": row["curated_label"] + 1,
                    "bbox": [0, 0, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
        attributes = without_missing(row, without=("id",))
        yield {"id": row["id"], "file_name": name_of(file), "width": width, "height": height, "attributes": attributes}


#: Fields of FiftyOne's labels; columns with these names are exported as `sample_NAME`.
_FIFTYONE_FIELDS = ("id", "label", "confidence", "logits", "tags", "attributes")
_FIFTYONE = """# {name}, curated

    import fiftyone as fo

    dataset = fo.Dataset.from_dir(
        dataset_dir=".", dataset_type=fo.types.FiftyOneImageClassificationDataset, label_field="curated"
    )
    dataset.merge_dir(
        data_path="data",
        labels_path="predictions.json",
        dataset_type=fo.types.FiftyOneImageClassificationDataset,
        label_field="predictions",
    )
    hardest = dataset.sort_by("curated.avh", reverse=True)

`predictions` are the model's, with their confidence, where there is a model. `curated.label` is the curated label; the
scores and all other columns of the image are its attributes.
"""


def write_fiftyone(
    decisions: Decisions, votes: Votes, prediction: PredictionFolder | None, selection: ExportSelection, path: Path
) -> int:
    """Write data/, labels.json and README.md; return how many samples have readable images."""
    (path / "data").mkdir(parents=True)
    placed = place_images(decisions, votes, prediction, selection, path, lambda _: "data")
    unlabelled: dict[str, Row] = {}
    predicted: dict[str, Row] = {}
    with text_file(path / "labels.json") as stream:
        stream.write(f'{{"classes": {json_text(list(decisions.samples.classes))},\n"labels": {{')
        labels = (_fiftyone_entry(row, file.stem, unlabelled, predicted) for row, file in placed)
        written = write_items(stream, labels)
        # FiftyOne reads `classes` and `labels` alone.
        stream.write(f'}},\n"unlabelled": {json_text(unlabelled)}}}\n')
    if predicted:
        content = {"classes": list(decisions.samples.classes), "labels": predicted}
        (path / "predictions.json").write_text(json_text(content) + "\n", encoding="utf-8")
    write_readme(path, _FIFTYONE.format(name=decisions.samples.name), simulated=decisions.samples.simulated)
    return written


def _fiftyone_entry(row: Row, stem: str, unlabelled: dict[str, Row], predicted: dict[str, Row]) -> str:
    """Return the JSON of one image, and note what its label cannot hold: its prediction, or all without a label."""
    if row["curated_label"] is None:
        unlabelled[stem] = without_missing(row, without=("id",))
    if row["predicted_name"] is not None:
        said = {"label": row["predicted_name"], "confidence": row["max_confidence"]}
        predicted[stem] = without_missing(said)
    return f"{json_text(stem)}: {json_text(_fiftyone_label(row))}"


def _fiftyone_label(row: Row) -> Row | None:
    """Return the label of one image; None, which FiftyOne has for unlabelled, if it has none."""
    if row["curated_label"] is None:
        return None
    label = {"label": row["curated_label"]}  # an index of `classes`
    # The model's confidence refers to the given label.
    if row["confidence"] is not None and row["curated_label"] == row["label"]:
        label["confidence"] = row["confidence"]
    attributes = without_missing(row, without=("curated_label", "curated_label_name"))
    return label | {"attributes": _apart(attributes, _FIFTYONE_FIELDS)}


def _apart(values: Row, fields: Sequence[str]) -> Row:
    """Return the values, those of the name of a field as `sample_NAME`."""
    free = {name: value for name, value in values.items() if name not in fields}
    return free | {f"sample_{name}": values[name] for name in fields if name in values}


#: How Label Studio names files below its local document root.
LOCAL = "/data/local-files/?d="
#: Columns of a task's data besides the scores and the user's own.
_FACTS = ("split", "predicted_name", "hsf", "hsf_low", "hsf_high", "votes", "hsf_bin", "tags", "deciders")
#: Further fields of a task's data; the user's columns with these names are exported as `sample_NAME`.
_TASK_FIELDS = ("class", "given_label", "simulated")
_LABEL_STUDIO = """# {name} for Label Studio

1. Make a project and paste `label_config.xml` as its labelling interface.
2. Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT
   set to this folder, and add the folder `images` as local storage.
3. Import `tasks.json`.

Predictions are the model's. Annotations are the votes, one each, and the curated label, which is marked so in its
`meta` and is not a vote.
"""


def write_label_studio(
    run: RunFolder | None,
    decisions: Decisions,
    votes: Votes,
    prediction: PredictionFolder | None,
    selection: ExportSelection,
    path: Path,
) -> int:
    """Write tasks.json, label_config.xml, README.md; return how many samples have readable images.

    The images are written to images/ and named as files below Label Studio's document root.
    """
    from avhcurate.people.files.label_studio import label_config

    path.mkdir()
    ticks = _ticked(decisions.samples)
    placed = place_images(decisions, votes, prediction, selection, path, lambda _: "images")
    with text_file(path / "tasks.json") as stream:
        written = write_tasks(
            decisions.samples, votes, run, placed, stream, lambda file: f"{LOCAL}{quote(f'images/{file.name}')}"
        )
    (path / "label_config.xml").write_text(
        label_config(decisions.samples.classes, select=ticks) + "\n", encoding="utf-8"
    )
    write_readme(path, _LABEL_STUDIO.format(name=decisions.samples.name), simulated=decisions.samples.simulated)
    return written


def _ticked(samples: SampleTable) -> bool:
    """Return whether people ticked images of a class."""
    return samples.votes is not None and samples.votes.kind == "tick"


def write_tasks(
    samples: SampleTable,
    votes: Votes,
    run: RunFolder | None,
    placed: Iterator[tuple[Row, Path]],
    stream: TextIO,
    address: Callable[[Path], str],
) -> int:
    """Write the tasks of placed images; return how many."""
    stream.write("[")
    written = write_items(stream, map(json_text, _tasks(samples, run, votes, placed, address)))
    stream.write("]\n")
    return written


def _tasks(
    samples: SampleTable,
    run: RunFolder | None,
    votes: Votes,
    placed: Iterator[tuple[Row, Path]],
    address: Callable[[Path], str],
) -> Iterator[Row]:
    from avhcurate.people.files.label_studio import choice, curated

    ticks = _ticked(samples)
    counts = _votes(votes)
    answers: Sequence[str] = samples.classes
    if ticks:
        answers = ("yes", "no")
    for row, file in placed:
        others = _apart({name: row[name] for name in samples.user_columns}, _TASK_FIELDS)
        # Not `label_name`: that is a label in a table, next to the one that Label Studio's own tables have.
        facts = {"given_label": row["label_name"]} | {name: row[name] for name in (*_FACTS, *samples.scores)}
        if row.get("excluded"):
            facts["excluded"] = True
        data = {"image": address(file), "path": row["path"], **without_missing(facts), **without_missing(others)}
        if samples.simulated:
            data["simulated"] = True
        if ticks:
            data["class"] = row["label_name"] or ""  # the class that was ticked
        annotations: list[Row] = []
        # The model may know more classes than there are counts.
        for answer, count in zip(answers, counts.get(row["id"], ()), strict=False):
            vote = {"result": [choice(answer, select=ticks)], "was_cancelled": False, "ground_truth": False}
            annotations += [vote] * int(count)
        if (name := row["curated_label_name"]) is not None:
            annotations.append(curated(name, ground_truth=row["curated_label"] != row["label"]))
        yield {"data": data, "predictions": _predictions(row, run), "annotations": annotations}


def _votes(votes: Votes) -> dict[int, Sequence[int]]:
    """Return by id how often each class was given, or of ticks how often "yes" and "no" were."""
    counted = votes.by_sample()
    if counted is None:
        return {}
    ids = counted["id"].tolist()
    if "counts" in counted:
        return dict(zip(ids, counted["counts"], strict=True))
    yes = counted["selected"]
    no = counted["shown"] - counted["selected"]
    return dict(zip(ids, zip(yes, no, strict=True), strict=True))


def _predictions(row: Row, run: RunFolder | None) -> list[Row]:
    from avhcurate.people.files.label_studio import choice

    if run is None or row["predicted_name"] is None:
        return []
    prediction = {"model_version": run.name, "result": [choice(row["predicted_name"])]}
    if row["max_confidence"] is not None:
        prediction["score"] = row["max_confidence"]
    return [prediction]
