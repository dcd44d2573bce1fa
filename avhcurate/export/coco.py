"""COCO format: images/ and annotations.json; a label is an annotation whose box is the whole image.

https://cocodataset.org/#format-data has no labels of whole images: its readers find a class through a box.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import starmap
from pathlib import Path
from typing import Any

from avhcurate.disk.json_text import json_text
from avhcurate.export.columns import Chosen, without_missing
from avhcurate.export.images import place_images
from avhcurate.export.text import text_file, write_items
from avhcurate.images.decoding import BrokenImage, stored_size
from avhcurate.table.dataset_table import DatasetTable


def write_coco(table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """images/, annotations.json; returns how many samples were left out because their images cannot be read.

    An image's `id` is the sample's, a category's is the class index + 1, an annotation's the image's + 1: readers take
    0 for none. The sample's columns are the image's `attributes`.
    """
    (path / "images").mkdir(parents=True)
    left_out: list[int] = []
    labels: list[tuple[int, int, int, int]] = []  # annotations come after the images, which are read once
    categories = [{"id": number + 1, "name": name, "supercategory": ""} for number, name in enumerate(table.classes)]
    with text_file(path / "annotations.json") as stream:
        stream.write(f'{{"info": {json_text(_info(table))}, "licenses": [],\n"categories": {json_text(categories)}')
        stream.write(',\n"images": [')
        write_items(stream, map(json_text, _images(table, chosen, path, labels, left_out)))
        stream.write('],\n"annotations": [')
        write_items(stream, map(json_text, starmap(_annotation, labels)))
        stream.write("]}\n")
    return len(left_out)


def _images(
    table: DatasetTable, chosen: Chosen, path: Path, labels: list[tuple[int, int, int, int]], left_out: list[int]
) -> Iterator[dict[str, Any]]:
    """The image of every sample; its id, label, width and height are added to `labels`."""
    for row, place in place_images(table, chosen, path, lambda _: "images", left_out):
        try:
            width, height = stored_size(place)
        except BrokenImage:
            place.unlink()
            left_out.append(row["id"])
            continue
        if row["curated_label"] is not None:
            labels.append((row["id"], row["curated_label"], width, height))
        attributes = without_missing(row, without=("id",))
        yield {"id": row["id"], "file_name": place.name, "width": width, "height": height, "attributes": attributes}


def _annotation(id: int, label: int, width: int, height: int) -> dict[str, Any]:
    return {
        "id": id + 1,
        "image_id": id,
        "category_id": label + 1,
        "bbox": [0, 0, width, height],
        "segmentation": [[0, 0, width, 0, width, height, 0, height]],
        "area": width * height,
        "iscrowd": 0,
    }


def _info(table: DatasetTable) -> dict[str, Any]:
    note = " The human votes behind hsf are simulated." if table.simulated else ""
    description = f"{table.dataset.name}: curated labels of whole images, each as a box around all of it.{note}"
    return {"description": description, "date_created": datetime.now(UTC).isoformat(timespec="seconds")}
