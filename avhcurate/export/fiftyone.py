"""The layout of `fiftyone.types.FiftyOneImageClassificationDataset`: data/ with images, labels.json with attributes.

Of FiftyOne's layouts it is the documented one that carries scores without being a copy of its database: each label is
an object with `label`, `confidence` and `attributes`. https://docs.voxel51.com/user_guide/import_datasets.html
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avhcurate.disk.json_text import json_text
from avhcurate.export.columns import Chosen, without_missing
from avhcurate.export.images import place_images
from avhcurate.export.text import text_file, write_items
from avhcurate.table.dataset_table import DatasetTable

#: Fields of FiftyOne's labels; columns of these names are exported as `sample_NAME`.
_FIELDS = ("id", "label", "confidence", "logits", "tags", "attributes")
_README = """# {name}, curated

    import fiftyone as fo

    dataset = fo.Dataset.from_dir(
        dataset_dir=".", dataset_type=fo.types.FiftyOneImageClassificationDataset, label_field="curated"
    )
    hardest = dataset.sort_by("curated.avh", reverse=True)

`curated.label` is the curated label; the scores and all other columns of the sample are its attributes.
{simulated}"""


def write_fiftyone(table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """data/, labels.json and README.md; returns how many samples were left out because their images cannot be read."""
    (path / "data").mkdir(parents=True)
    left_out: list[int] = []
    with text_file(path / "labels.json") as stream:
        stream.write(f'{{"classes": {json_text(list(table.classes))},\n"labels": {{')
        write_items(stream, _labels(table, chosen, path, left_out))
        stream.write("}}\n")
    note = "The human votes behind `hsf` are **simulated**.\n" if table.simulated else ""
    readme = _README.format(name=table.dataset.name, simulated=note)
    (path / "README.md").write_text(readme, encoding="utf-8")
    return len(left_out)


def _labels(table: DatasetTable, chosen: Chosen, path: Path, left_out: list[int]) -> Iterator[str]:
    for row, place in place_images(table, chosen, path, lambda _: "data", left_out):
        yield f"{json_text(place.stem)}: {json_text(_label(row))}"


def _label(row: dict[str, Any]) -> dict[str, Any] | None:
    """The label of one image; None, which is FiftyOne's for unlabelled, where it has none."""
    if row["curated_label"] is None:
        return None
    label = {"label": row["curated_label"]}  # the class's place in `classes`
    # The model's confidence refers to the given label.
    if row["confidence"] is not None and row["curated_label"] == row["label"]:
        label["confidence"] = row["confidence"]
    attributes = without_missing(row, without=("curated_label", "curated_label_name"))
    return label | {"attributes": {f"sample_{key}" if key in _FIELDS else key: attributes[key] for key in attributes}}
