"""Tasks that Label Studio imports: the image, the model's prediction, and people's votes or the curated label.

The form of tasks, predictions and annotations: https://labelstud.io/guide/task_format and
https://labelstud.io/guide/predictions
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avhcurate.disk.json_text import json_text
from avhcurate.export.columns import Chosen, rows, without_missing
from avhcurate.export.images import place_images
from avhcurate.export.text import text_file, write_items
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes.files.label_studio import choice, curated, label_config

#: How Label Studio names files below its local document root.
_LOCAL = "/data/local-files/?d="
#: Columns of a task's data besides the scores and the user's own, to filter and sort by in Label Studio.
_FACTS = ("split", "label_name", "predicted_name", "hsf", "hsf_low", "hsf_high", "votes", "hsf_bin", "tags")
#: Further fields of a task's data; the user's columns of these names are exported as `sample_NAME`.
_FIELDS = ("class", "simulated")
_README = """# {name} for Label Studio

1. Make a project and paste `label_config.xml` as its labelling interface.
2. {images}
3. Import `tasks.json`.

Predictions are the model's. Annotations are {annotations}.
"""
_SETUP = (
    "Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
    "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to this folder, and add the folder `images` as local storage."
)


def write_label_studio(table: DatasetTable, chosen: Chosen, path: Path, *, image_prefix: str | None = None) -> int:
    """tasks.json, label_config.xml, README.md; returns how many samples were left out (unreadable images).

    Without `image_prefix` the images lie in images/ and are named as files below Label Studio's document root; with
    it no image is written, and each is named by the prefix and the sample's path.
    """
    path.mkdir()
    left_out: list[int] = []
    with text_file(path / "tasks.json") as stream:
        stream.write("[")
        write_items(stream, map(json_text, _tasks(table, chosen, path, image_prefix, left_out)))
        stream.write("]\n")
    config = label_config(table.classes, select=_ticks(table))
    (path / "label_config.xml").write_text(config + "\n", encoding="utf-8")
    (path / "README.md").write_text(_readme(table, image_prefix), encoding="utf-8")
    return len(left_out)


def _tasks(
    table: DatasetTable, chosen: Chosen, path: Path, image_prefix: str | None, left_out: list[int]
) -> Iterator[dict[str, Any]]:
    votes, ticks = _votes(table), _ticks(table)
    for row, address in _addresses(table, chosen, path, image_prefix, left_out):
        facts = without_missing({name: row[name] for name in (*_FACTS, *table.scores)})
        own = without_missing({_own_name(name): row[name] for name in table.user_columns})
        data = {"image": address, "path": row["path"], **facts, **own}
        data |= {"simulated": True} if table.simulated else {}
        if ticks:
            data["class"] = row["label_name"] or ""  # the class that was ticked
        yield {
            "data": data,
            "predictions": [_prediction(row, table)] if row["predicted_name"] is not None else [],
            "annotations": [
                *_of_votes(votes.get(row["id"], ()), table.classes, ticks=ticks),
                *_of_curated_label(row),
            ],
        }


def _own_name(name: str) -> str:
    return f"sample_{name}" if name in _FIELDS else name


def _addresses(
    table: DatasetTable, chosen: Chosen, path: Path, image_prefix: str | None, left_out: list[int]
) -> Iterator[tuple[dict[str, Any], str]]:
    """Every row with the address of its image."""
    if image_prefix is None:
        for row, place in place_images(table, chosen, path, lambda _: "images", left_out):
            yield row, f"{_LOCAL}{quote(f'images/{place.name}')}"
    else:
        for row in rows(table, chosen):
            yield row, image_prefix + quote(row["path"])


def _ticks(table: DatasetTable) -> bool:
    """Whether people ticked images of a class, instead of giving each a class."""
    return table.votes is not None and table.votes.kind == "tick"


def _votes(table: DatasetTable) -> dict[int, Sequence[int]]:
    """By id how often each class was given, or of ticks how often "yes" and "no" were."""
    counted = table.vote_counts()
    if counted is None:
        return {}
    if "counts" in counted:
        return dict(zip(counted["id"].tolist(), counted["counts"], strict=True))
    yes, no = counted["selected"], counted["shown"] - counted["selected"]
    return dict(zip(counted["id"].tolist(), zip(yes, no, strict=True), strict=True))


def _prediction(row: dict[str, Any], table: DatasetTable) -> dict[str, Any]:
    assert table.run is not None  # it predicted
    result = [choice(row["predicted_name"])]
    score = {} if row["max_confidence"] is None else {"score": row["max_confidence"]}
    return {"model_version": table.run.name, **score, "result": result}


def _of_votes(counts: Sequence[int], classes: Sequence[str], *, ticks: bool) -> Iterator[dict[str, Any]]:
    """An annotation for each vote."""
    for answer, count in zip(("yes", "no") if ticks else classes, counts, strict=False):  # the model may know more
        for _ in range(count):
            yield {"result": [choice(answer, select=ticks)], "was_cancelled": False, "ground_truth": False}


def _of_curated_label(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The curated label as an annotation; ground truth where a person has set it."""
    if (name := row["curated_label_name"]) is not None:
        yield curated(name, ground_truth=row["curated_label"] != row["label"])


def _readme(table: DatasetTable, image_prefix: str | None) -> str:
    annotations = "the votes, one each, and the curated label, which is marked so in its `meta` and is no vote"
    if table.simulated:
        annotations = f"{annotations}; the votes are **simulated**"
    images = _SETUP if image_prefix is None else f"Images are read from {image_prefix}PATH."
    return _README.format(name=table.dataset.name, images=images, annotations=annotations)
